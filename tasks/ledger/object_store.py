"""The ledger's records behind an address, shared by the workers of several machines."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from upath import UPath

from tasks.exports.errors import DataFolderUnusable, LedgerChanged
from tasks.files.reached import reached

# Where a write can be refused if somebody else wrote meanwhile; elsewhere the export's lock alone keeps writers apart.
CONDITIONAL: Final = frozenset({"s3", "s3a"})
# What S3 says when a condition does not hold, when two such writes meet, and when what was to be replaced is gone.
_REFUSALS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_AT_ONCE: Final = 100


class ObjectStore:
    """An object per record.

    On S3 a record is written only where it is still what this store last read or wrote of it: a process that was
    stopped for so long that another took over its export cannot undo what that one recorded.
    """

    def __init__(self, folder: UPath) -> None:
        self._folder = folder
        self._fs = folder.fs
        self._is_conditional = folder.protocol in CONDITIONAL
        self._versions: dict[str, str] = {}

    def read(self, name: str) -> bytes | None:
        path = self._path(name)
        self._versions.pop(name, None)
        with reached(self._folder):
            try:
                # The version first: if another writes in between, it is that of less than was read, and refused later.
                version = self._version(path)
                content: bytes = self._fs.cat_file(path)
            except FileNotFoundError:
                return None
        self._versions[name] = version
        return content

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        with reached(self._folder):
            names = self._names()
            for start in range(0, len(names), _AT_ONCE):
                yield from self._read_at_once(names[start : start + _AT_ONCE])

    def _read_at_once(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        contents = self._fs.cat_ranges([self._path(name) for name in names], None, None, on_error="return")
        for name, content in zip(names, contents, strict=True):
            if isinstance(content, bytes):
                yield name, content
            elif not isinstance(content, FileNotFoundError):  # set aside meanwhile
                raise content

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        try:
            with reached(self._folder):
                if self._is_conditional:
                    self._write_if_unchanged(path, name, content)
                else:
                    self._fs.makedirs(self._folder.path, exist_ok=True)
                    self._fs.pipe_file(path, content)
        except FileNotFoundError as error:
            raise DataFolderUnusable(f"{self._folder} cannot be used: {error}") from error

    def set_aside(self, name: str) -> str:
        aside = f"{self._folder.path}/{name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        with reached(self._folder):
            self._fs.copy(self._path(name), aside)
            self._fs.rm_file(self._path(name))
        self._versions.pop(name, None)
        return str(self._fs.unstrip_protocol(aside))

    def set_aside_earlier(self, name: str) -> list[str]:
        with reached(self._folder):
            self._fs.invalidate_cache()
            found = self._fs.glob(f"{self._folder.path}/{name}.damaged-*")
            return sorted(str(self._fs.unstrip_protocol(path)) for path in found)

    def _write_if_unchanged(self, path: str, name: str, content: bytes) -> None:
        version = self._versions.get(name)
        condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        bucket, _, key = path.partition("/")
        try:
            answer = self._fs.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
        except OSError as refusal:
            if not _is_refusal(refusal):
                raise
            # A write whose answer was lost is sent again by the library, and meets itself.
            if self.read(name) != content:
                raise LedgerChanged(
                    f"Another run wrote the ledger's record {name[:16]} while this one was at the same export."
                ) from None
        else:
            self._versions[name] = answer["ETag"]

    def _version(self, path: str) -> str:
        found: dict[str, Any] = self._fs.info(path)
        return str(found.get("ETag", ""))

    def _names(self) -> list[str]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._folder.path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rpartition("/")[2].removesuffix(".json") for path in found if path.endswith(".json"))

    def _path(self, name: str) -> str:
        return f"{self._folder.path}/{name}.json"


def _is_refusal(error: OSError) -> bool:
    said = getattr(error.__cause__, "response", {})
    return said.get("Error", {}).get("Code") in _REFUSALS


def says_its_conditions(folder: UPath) -> str:
    """Say what keeps two writers apart there, having tried it where the store claims to be able to."""
    if folder.protocol not in CONDITIONAL:
        return "writes are not conditional there: the lock alone keeps two runs of one export apart"
    probe, name = ObjectStore(folder), f"doctor-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    probe.write(name, b"1")
    try:
        ObjectStore(folder).write(name, b"2")
    except LedgerChanged:
        return "its writes are conditional"
    finally:
        with reached(folder):
            folder.fs.rm_file(f"{folder.path}/{name}.json")
    raise DataFolderUnusable(
        f"{folder} takes conditional writes without looking at the condition.",
        next_step="Use a store that honours If-None-Match and If-Match, or the data folder of one machine.",
    )
