"""What a run of the flow comes back with, and what `--json` prints of it."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Status(StrEnum):
    """How a run ended well."""

    COMPLETED = "completed"
    REUSED = "reused"


class JobUsed(BaseModel):
    """A job, and the decision that brought the run to it."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    decision: str


class Outcome(BaseModel):
    """A published export. Paths are absolute; `rows` is also the credits that its job cost."""

    model_config = ConfigDict(frozen=True)

    status: Status
    org: str
    project: str
    analysis: str
    max_depth: int | None
    rows: int
    urls_total: int
    csv: Path | None
    parquet: Path | None
    excel: tuple[Path, ...] = ()
    manifest: Path
    jobs: tuple[JobUsed, ...]
    flow_run_id: str | None = None
    flow_run_url: str | None = None
