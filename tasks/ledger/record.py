"""What the ledger knows of one export."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from tasks.exports.request import ExportRequest

VERSION: Final = 1
# Before anything Botify could hold: a search from here looks at every job.
BEFORE_ALL: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Decision(StrEnum):
    """How an export came to its job; the word that the log, the manifest and `--json` use."""

    SUBMITTED = "submitted"
    ADOPTED = "adopted"
    RECONNECTED = "reconnected"
    REUSED = "reused"
    RESUBMITTED = "resubmitted"

    @property
    def is_of_a_new_job(self) -> bool:
        """The ledger knew no such job before, so it was not counted among what was paid."""
        return self in (Decision.SUBMITTED, Decision.ADOPTED, Decision.RESUBMITTED)


class State(StrEnum):
    """How far an export is; each word stands for something that is on disk or at Botify."""

    INTENT = "intent"
    AMBIGUOUS = "ambiguous"
    SUBMITTED = "submitted"
    DONE = "done"
    DOWNLOADED = "downloaded"
    PUBLISHED = "published"
    MERGED = "merged"
    """The rows stand in the published files of a whole site."""
    FAILED = "failed"
    GONE = "gone"
    WITHDRAWN = "withdrawn"

    @property
    def may_have_an_unknown_job(self) -> bool:
        """A process died, or an answer was lost, between the intent and the job's id."""
        return self in (State.INTENT, State.AMBIGUOUS)

    @property
    def is_unfinished(self) -> bool:
        return self not in (State.PUBLISHED, State.MERGED, State.FAILED, State.GONE, State.WITHDRAWN)

    @property
    def has_no_job(self) -> bool:
        """Nothing stands at Botify that this export could use: FAILED, or certainly never made."""
        return self in (State.FAILED, State.WITHDRAWN)


class Event(BaseModel):
    """One step of an export's history."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    state: State
    note: str = ""
    job_id: str | None = None


class ExportRecord(BaseModel):
    """The durable record of one export: its request, its job, and everything that happened, oldest first.

    `generation` counts the exports that were wanted (1, and one more with each `--refresh`); `attempt` the
    submissions, which also grow by a FAILED job. `tag` is unique to one submission.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = VERSION
    request: ExportRequest
    fingerprint: str
    state: State
    tag: str | None
    intended_at: datetime
    generation: int = 1
    attempt: int = 1
    job_id: str | None = None
    decision: Decision | None = None
    rows: int | None = None
    folder: str | None = None
    history: tuple[Event, ...] = ()

    @classmethod
    def intent(cls, request: ExportRequest, earlier: "ExportRecord | None", *, refresh: bool = False) -> Self:
        """Return the record of a submission that is about to happen, with a fresh tag."""
        generation = (earlier.generation + refresh) if earlier else 1
        record = cls(
            request=request,
            fingerprint=request.fingerprint,
            state=State.INTENT,
            tag=f"{tag_prefix(request.fingerprint)}-{uuid4().hex[:8]}",
            intended_at=datetime.now(UTC),
            generation=generation,
            attempt=earlier.attempt + 1 if earlier else 1,
            history=earlier.history if earlier else (),
        )
        return record.now(State.INTENT, f"about to submit as {record.tag}")

    def now(self, state: State, note: str = "", **changes: object) -> Self:
        """Return the record in its next state, the step added to its history."""
        changed = self.model_copy(update={"state": state, **changes})
        event = Event(at=datetime.now(UTC), state=state, note=note, job_id=changed.job_id)
        return changed.model_copy(update={"history": (*self.history, event)})

    @property
    def is_refresh_under_way(self) -> bool:
        """A refresh that was interrupted: it goes on, it does not begin yet another export."""
        return self.generation > 1 and self.state.is_unfinished

    @property
    def known_jobs(self) -> frozenset[str]:
        """Every job that was ever this export's."""
        return frozenset(event.job_id for event in self.history if event.job_id)

    @property
    def name(self) -> str:
        """The name of the folder of this generation's files."""
        return self.request.name if self.generation == 1 else f"{self.request.name}-r{self.generation}"


def tag_prefix(fingerprint: str) -> str:
    """Return what all of an export's tags begin with: readable in Botify's own list of exports."""
    return f"botify-export-{fingerprint[:16]}"
