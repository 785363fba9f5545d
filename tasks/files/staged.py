"""What staging a file produced."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel

from tasks.files.archive import ArchiveFacts


class StagedFile(BaseModel, frozen=True):
    """A file that is whole and on the disk: its size in bytes, its SHA-256, its rows without the header."""

    path: Path
    size: int
    sha256: str
    rows: int


class KeptAsText(BaseModel, frozen=True):
    """A column left as text because a value is not of its type: the first such row (from 1) and its value."""

    column: str
    row: int
    example: str


class Staged(BaseModel, frozen=True):
    """A whole export in the staging folder. `normalised` says what of the CSV is not as Botify sent it."""

    csv: StagedFile | None
    parquet: StagedFile | None
    rows: int
    archive: ArchiveFacts
    normalised: tuple[str, ...]
    kept_as_text: tuple[KeptAsText, ...]
    duplicate_url: str | None
    spreadsheets: tuple[StagedFile, ...] = ()

    @property
    def files(self) -> tuple[StagedFile, ...]:
        """All that was written."""
        return (*(file for file in (self.csv, self.parquet) if file), *self.spreadsheets)


_SYNCED_TOGETHER = 32 * 1024 * 1024


class HashedFile:
    """A file that is hashed while it is written, and is on the disk when `finish` returns.

    It is the part of the file interface that pyarrow needs of a sink.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, block: bytes) -> int:
        """Append to the file."""
        self._digest.update(block)
        written = self._file.write(block)
        if (self._size + written) // _SYNCED_TOGETHER > self._size // _SYNCED_TOGETHER:
            os.fsync(self._file.fileno())  # all at the end would take a third of the time of the whole pass
        self._size += written
        return written

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        self._file.flush()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._file.closed

    def finish(self, rows: int) -> StagedFile:
        """Wait until the disk has it all."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return StagedFile(path=self._path, size=self._size, sha256=self._digest.hexdigest(), rows=rows)
