"""Waiting for a job, patiently and honestly (botify-api.md §5.1, §5.2)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from tasks.botify.client import BotifyClient
from tasks.botify.job_board import JobBoard, job_board, seconds_a_round
from tasks.botify.jobs import Job
from tasks.botify.retries import waits
from tasks.exports.errors import BotifyRefused, BotifyUnavailable, FileGone, JobFailed, JobStillRunning, NotFound
from tasks.exports.request import ExportRequest

LOGGER = logging.getLogger("botify_export")

KNOWN_WORDS: Final = frozenset({"CREATED", "PROCESSING", "DONE", "FAILED"})
# A job may not be seen everywhere in the moment after it was made; later, a 404 that stays means it.
UNKNOWN_LOOKS: Final = 3
_ANYTHING: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)


class Look(BaseModel):
    """One look at a job: its word, seconds waited so far, seconds until the next look."""

    model_config = ConfigDict(frozen=True)

    number: int
    status: str
    elapsed: float
    next_in: float


async def wait_for_job(client: BotifyClient, project: str, job_id: str, on_look: Callable[[Look], None]) -> Job:
    """Look at the job until it is DONE or FAILED; every other word means that it still runs.

    Several waits for jobs of one project cost the requests of one; where many wait, each looks more rarely.

    A look that fails never ends the wait. Raises JobStillRunning at the deadline (after one last look),
    FileGone when Botify does not know the job, BotifyRefused when the token is refused.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    patience = client.settings.job_timeout
    watch = _Watch(job_id, job_board(client, project))
    with watch.board.waiting_for(job_id):
        for number, pause in enumerate(waits(client.settings.poll_seconds, client.settings.poll_max_seconds), start=1):
            pause = max(pause, seconds_a_round(client))
            job = await watch.look(client, max_age=pause / 2)
            if job and (job.is_done or job.has_failed):
                return job
            elapsed = clock() - began
            if elapsed >= patience:
                raise JobStillRunning(f"Job {job_id} is still {watch.status} after {elapsed:,.0f} s.")
            pause = min(max(pause, seconds_a_round(client)), patience - elapsed)  # of what this look has shown
            on_look(Look(number=number, status=watch.status, elapsed=elapsed, next_in=pause))
            await asyncio.sleep(pause)
    raise AssertionError("the waits have no end")


class _Watch:
    """What was seen of one job so far."""

    def __init__(self, job_id: str, board: JobBoard) -> None:
        self.job_id = job_id
        self.board = board
        self.status = "unseen"
        self._unknown = 0
        self._odd_words: set[str] = set()

    async def look(self, client: BotifyClient, *, max_age: float) -> Job | None:
        try:
            job = await self.board.look(client, self.job_id, max_age=max_age)
        except BotifyUnavailable as failure:
            LOGGER.warning("This look failed, the wait goes on. %s", failure)
            return None
        except NotFound as unknown:
            self._unknown += 1
            if self._unknown >= UNKNOWN_LOOKS:
                raise FileGone(f"Botify no longer knows job {self.job_id} ({unknown}).") from None
            return None
        self._unknown = 0
        self._note(job.job_status)
        return job

    def _note(self, word: str) -> None:
        if word not in KNOWN_WORDS and word not in self._odd_words:
            self._odd_words.add(word)
            LOGGER.warning("Job %s is %r, a word not seen before: taken for still running.", self.job_id, word)
        elif word != self.status:
            LOGGER.info("Job %s is %s.", self.job_id, word)
        self.status = word or "without a status"


async def failure_of(client: BotifyClient, request: ExportRequest, job: Job) -> JobFailed:
    """Return the error for a FAILED job, with what Botify said, and else with what its query answers (§8.10)."""
    said = f"said: {job.reason}" if job.reason else "gave no reason"
    query = request.payload()["query"]
    path = ("projects", request.org, request.project, "query")
    try:
        await client.read("The same query", path, _ANYTHING, params={"size": 1}, query=query, tries=2)
    except (BotifyRefused, BotifyUnavailable) as refusal:
        return JobFailed(f"Job {job.job_id} FAILED; Botify {said}. {refusal}")
    return JobFailed(f"Job {job.job_id} FAILED; Botify {said}. The same query is answered without an error.")
