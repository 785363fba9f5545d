"""What a measured child process is told, and what it answers: plain JSON, so that the usual scripts import no more."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One run of one variant on one export. `folder` is empty; the paths of the export are there to be read only."""

    variant: str
    url: str
    rows: int
    folder: str
    archive: str
    csv: str
    parquet: str


@dataclass(frozen=True)
class Measured:
    """The operation alone, in seconds; the imports before it; the process's peak memory (VmHWM) in bytes."""

    wall: float
    cpu: float
    imports: float
    peak: int
