"""Where the ledger's records are: a port, and the folder of this machine that is its first implementation."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from upath import UPath

from tasks.exports.errors import DataFolderUnusable
from tasks.files.durable import rename_durably, write_durably
from tasks.ledger.object_store import ObjectStore


class RecordStore(Protocol):
    """Keeps one record of bytes per name; a write is whole and durable when it returns.

    Read a record before it is written: where the store can, it then refuses to overwrite what another wrote since.
    """

    def read(self, name: str) -> bytes | None: ...

    def write(self, name: str, content: bytes) -> None: ...

    def set_aside(self, name: str) -> str:
        """Keep a record that cannot be read under another name, and return where."""

    def set_aside_earlier(self, name: str) -> list[str]:
        """Return where damaged records of this name were set aside."""

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        """Yield every record with its name, in the order of the names."""


def record_store(folder: UPath | Path) -> RecordStore:
    """Return the store that keeps its records in this folder."""
    return FolderStore(folder) if isinstance(folder, Path) else ObjectStore(folder)


class FolderStore:
    """A file per record.

    Files, not SQLite: a record is written by one process at a time (under the export's lock) and read whole, so
    an atomic replacement is all that is needed; it works on a network drive where SQLite's locks do not, and a
    person can read it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataFolderUnusable(f"{self._path(name)} cannot be read: {error.strerror or error}.") from error

    def write(self, name: str, content: bytes) -> None:
        write_durably(self._path(name), content)

    def set_aside(self, name: str) -> str:
        aside = self._path(name).with_suffix(f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        rename_durably(self._path(name), aside)
        return str(aside)

    def set_aside_earlier(self, name: str) -> list[str]:
        return sorted(str(path) for path in self.folder.glob(f"{name}.damaged-*"))

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.folder.glob("*.json")):
            if (content := self.read(path.stem)) is not None:
                yield path.stem, content

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
