"""At most one job per export: every way from an export to its job.

no record, FAILED, withdrawn ──► intent on disk ──► POST ──► submitted
                                      ▲              │
                                      │              ▼ no answer, or the process died
                                 resubmitted ◄── AMBIGUOUS ──► found in Botify's list: adopted
a record with a job ──► reconnected
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

from tasks.botify.client import BotifyClient
from tasks.botify.jobs import Created, Job, NoAnswer, NotSent, TurnedAway, create_job
from tasks.botify.retries import waits
from tasks.exports.errors import BotifyRefused, BotifyUnavailable, SubmissionUnknown
from tasks.exports.request import ExportRequest
from tasks.exports.settings import OnAmbiguous
from tasks.ledger.adoption import find_jobs
from tasks.ledger.ledger import Ledger
from tasks.ledger.lock import Hold
from tasks.ledger.record import Decision, ExportRecord, State

LOGGER = logging.getLogger("botify_export")

# A refusal for "too many requests" may last a second or a day (botify-api.md §7.2): this long we wait for it.
PATIENCE: Final = 900.0
FIRST_LOOK: Final = 1.0
LONGEST_LOOK: Final = 15.0


@dataclass(frozen=True)
class Submission:
    """Brings one export to its job. Hold the export's lock around it."""

    client: BotifyClient
    ledger: Ledger
    request: ExportRequest
    hold: Hold = field(default_factory=Hold)

    async def job(self, *, refresh: bool = False) -> ExportRecord:
        """Return the record with a job in it; a POST is sent only where no job can exist, or `refresh` wants one.

        Raises BotifyRefused (no job was made), BotifyUnavailable, SubmissionUnknown, HoldLost (nothing was sent).
        """
        record = self.ledger.find(self.request)
        if record is None or record.state.has_no_job:
            return await self._submit(ExportRecord.intent(self.request, record, refresh=refresh), Decision.SUBMITTED)
        if record.state.may_have_an_unknown_job:
            return await self._settle(record)
        if refresh and not record.is_refresh_under_way:
            return await self._submit(ExportRecord.intent(self.request, record, refresh=True), Decision.SUBMITTED)
        LOGGER.info("This export already has job %s: reconnected.", record.job_id)
        return record.model_copy(update={"decision": Decision.RECONNECTED})

    async def _submit(self, record: ExportRecord, decision: Decision) -> ExportRecord:
        self.ledger.write(record)  # durable before the first byte goes out
        clock = asyncio.get_running_loop().time
        settings = self.client.settings
        deadline = clock() + min(PATIENCE, settings.job_timeout)
        for pause in waits(settings.poll_seconds, settings.poll_max_seconds):
            outcome = await self._send(record)
            match outcome:
                case Created(job=job):
                    return self._has_job(record, job, decision)
                case NoAnswer(reason=reason):
                    return await self._settle(self.ledger.write(record.now(State.AMBIGUOUS, reason)))
                case TurnedAway(already_running=True) if jobs := await find_jobs(self.client, record):
                    return self._adopt(record, jobs)
            wait = _wait(outcome, pause)
            if clock() + wait > deadline:
                self.ledger.write(record.now(State.WITHDRAWN, outcome.reason))
                raise BotifyUnavailable(f"No job was made: {outcome.reason}.")
            LOGGER.warning("No job was made: %s. Trying again in %.1f s.", outcome.reason, wait)
            await asyncio.sleep(wait)
        raise AssertionError("the waits have no end")

    async def _send(self, record: ExportRecord) -> Created | NotSent | TurnedAway | NoAnswer:
        try:
            return await create_job(self.client, self.request.payload(record.tag), before=self.hold.check)
        except BotifyRefused as refusal:
            self.ledger.write(record.now(State.WITHDRAWN, str(refusal)))
            raise

    async def _settle(self, record: ExportRecord) -> ExportRecord:
        """Leave AMBIGUOUS, through Botify's own list only."""
        LOGGER.warning("Whether Botify made the job is not known: looking through its list of jobs.")
        settings = self.client.settings
        clock = asyncio.get_running_loop().time
        deadline = clock() + settings.ambiguous_grace
        for pause in waits(min(FIRST_LOOK, settings.poll_seconds), LONGEST_LOOK):
            if jobs := await find_jobs(self.client, record):
                return self._adopt(record, jobs)
            left = deadline - clock()
            if left <= 0:
                break
            await asyncio.sleep(min(pause, left))
        if settings.on_ambiguous is OnAmbiguous.STOP:
            self.ledger.write(record.now(State.AMBIGUOUS, "not in Botify's list; stopped as BOTIFY_ON_AMBIGUOUS says"))
            raise SubmissionUnknown(
                "A job was sent, no answer came, and Botify's list does not show it.",
                next_step="Look for it in Botify's own list of exports; then run again with "
                "BOTIFY_ON_AMBIGUOUS=resubmit to submit it once more.",
            )
        LOGGER.warning("Botify's list does not show the job: submitting once more.")
        return await self._submit(ExportRecord.intent(self.request, record), Decision.RESUBMITTED)

    def _adopt(self, record: ExportRecord, jobs: list[Job]) -> ExportRecord:
        if len(jobs) > 1:
            others = ", ".join(job.job_id for job in jobs[1:])
            LOGGER.warning("Botify's list shows %d such jobs: taking the oldest, leaving %s.", len(jobs), others)
        return self._has_job(record, jobs[0], Decision.ADOPTED)

    def _has_job(self, record: ExportRecord, job: Job, decision: Decision) -> ExportRecord:
        LOGGER.info("Job %s: %s.", job.job_id, decision)
        return self.ledger.write(record.now(State.SUBMITTED, decision, job_id=job.job_id, decision=decision))


def _wait(outcome: NotSent | TurnedAway, pause: float) -> float:
    return outcome.after if isinstance(outcome, TurnedAway) and outcome.after is not None else pause
