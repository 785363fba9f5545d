"""What a run of the flow comes back with, and what `--json` prints of it."""

from collections import Counter
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks.exports.places import Location

MOST_JOBS: Final = 4


class Status(StrEnum):
    """How a run ended well."""

    COMPLETED = "completed"
    REUSED = "reused"
    SKIPPED = "skipped"


class JobUsed(BaseModel):
    """A job, and the decision that brought the run to it."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    decision: str


class Outcome(BaseModel):
    """A published export. Its files are absolute paths or addresses; `rows` is also the credits that its job cost."""

    model_config = ConfigDict(frozen=True)

    status: Status
    org: str
    project: str
    analysis: str
    max_depth: int | None
    rows: int
    urls_total: int
    csv: Location | None
    parquet: Location | None
    excel: tuple[Location, ...] = ()
    manifest: Location
    jobs: tuple[JobUsed, ...]
    flow_run_id: str | None = None
    flow_run_url: str | None = None

    def jobs_in_words(self) -> str:
        """Name the jobs with their decisions, or count them where they are many: the manifest names all."""
        if len(self.jobs) <= MOST_JOBS:
            return ", ".join(f"{job.job_id} ({job.decision})" for job in self.jobs)
        counted = Counter(job.decision for job in self.jobs)
        return f"{len(self.jobs)}: " + ", ".join(f"{number} {decision}" for decision, number in counted.items())
