"""The ledger of exports: the truth about what was paid for."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from upath import UPath

from tasks.exports.errors import DataFolderUnusable, ExportUnknown
from tasks.exports.places import LEDGER
from tasks.exports.request import ExportRequest
from tasks.ledger.record import BEFORE_ALL, VERSION, ExportRecord, State
from tasks.ledger.store import RecordStore, record_store

LOGGER = logging.getLogger("botify_export")


class Ledger:
    """One record per fingerprint. All methods raise DataFolderUnusable when the store fails: never a silent miss."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, data_dir: UPath | Path) -> "Ledger":
        return cls(record_store(UPath(data_dir) / LEDGER))

    def find(self, request: ExportRequest) -> ExportRecord | None:
        """Return the export's record, or None if it was never begun.

        A record that cannot be read is set aside and named, and stands for a job that may exist: an unknown
        past is looked up at Botify before anything is paid for.
        """
        name = request.fingerprint
        content = self._store.read(name)
        if content is None:
            return _unknown_past(request, earlier) if (earlier := self._store.set_aside_earlier(name)) else None
        try:
            return _parsed(name, content)
        except ValidationError:
            aside = self._store.set_aside(name)
            LOGGER.warning("The ledger's record of this export is damaged. It is kept as %s.", aside)
            return _unknown_past(request, [aside])

    def write(self, record: ExportRecord) -> ExportRecord:
        """Make the record durable, and return it."""
        self._store.write(record.fingerprint, record.model_dump_json(indent=1).encode())
        return record

    def advance(self, request: ExportRequest, state: State, job_id: str, note: str = "", **changes: object) -> None:
        """Record that the export reached a state, also where its record was lost on the way."""
        record = self.find(request) or ExportRecord(
            request=request, fingerprint=request.fingerprint, state=state, tag=None, intended_at=BEFORE_ALL
        )
        self.write(record.now(state, note, job_id=job_id, **changes))

    def all(self) -> Iterator[ExportRecord | str]:
        """Yield every record; the fingerprint alone where it cannot be read."""
        for name, content in self._store.read_all():
            try:
                yield _parsed(name, content)
            except ValidationError:
                yield name

    def named(self, name: str) -> ExportRecord:
        """Return the one export with this name, job or fingerprint (its beginning will do). Raises ExportUnknown."""
        known = [record for record in self.all() if isinstance(record, ExportRecord)]
        if found := [record for record in known if name in (record.name, record.job_id, record.fingerprint)]:
            return _only(name, found)
        return _only(name, [record for record in known if len(name) >= 6 and record.fingerprint.startswith(name)])


def _only(name: str, found: list[ExportRecord]) -> ExportRecord:
    if len(found) == 1:
        return found[0]
    many = f"{len(found)} exports are" if found else "No export is"
    raise ExportUnknown(f"{many} called {name!r}.")


def _parsed(name: str, content: bytes) -> ExportRecord:
    refuse_newer(name, content, VERSION)
    return ExportRecord.model_validate_json(content)


def refuse_newer(name: str, content: bytes, version_read: int) -> None:
    """Raise DataFolderUnusable for a record that only a newer botify-export can read."""
    try:
        version = json.loads(content)["version"]
    except (ValueError, TypeError, KeyError):
        return
    if isinstance(version, int) and version > version_read:
        raise DataFolderUnusable(
            f"The ledger's record {name} was written by a newer botify-export (format {version}, this one reads "
            f"{version_read}).",
            next_step="Update botify-export; this version leaves the record as it is.",
        )


def _unknown_past(request: ExportRequest, asides: list[str]) -> ExportRecord:
    record = ExportRecord(
        request=request, fingerprint=request.fingerprint, state=State.AMBIGUOUS, tag=None, intended_at=BEFORE_ALL
    )
    return record.now(State.AMBIGUOUS, f"the record was damaged; kept as {', '.join(asides)}")
