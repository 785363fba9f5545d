"""The ledger of whole-site exports: how each was sliced, so that running again pays for no slice twice.

The slices' own records stand in the ledger of exports. A plan is written before its first job is submitted, and kept:
another plan for the same site would be other jobs.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from upath import UPath

from tasks.exports.places import SITE_LEDGER
from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest
from tasks.exports.slices import SlicePlan
from tasks.ledger.credits import still_to_pay
from tasks.ledger.ledger import Ledger, refuse_newer
from tasks.ledger.record import State
from tasks.ledger.store import RecordStore, record_store

LOGGER = logging.getLogger("botify_export")

VERSION: Final = 1


class SiteState(StrEnum):
    """How far a whole-site export is."""

    PLANNED = "planned"
    PUBLISHED = "published"


class SiteRecord(BaseModel):
    """The durable record of one whole-site export.

    `generation` counts the exports that were wanted (1, and one more with each `--refresh`); `slice_generations` are
    those that the slices' own exports have to be of, or later, so that an interrupted refresh pays for each once.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = VERSION
    request: SiteRequest
    plan: SlicePlan
    state: SiteState = SiteState.PLANNED
    generation: int = 1
    slice_generations: tuple[int, ...]
    planned_at: datetime
    published_at: datetime | None = None

    @property
    def slices(self) -> tuple[ExportRequest, ...]:
        return self.request.slices(self.plan)

    @property
    def is_published(self) -> bool:
        return self.state is SiteState.PUBLISHED

    @property
    def name(self) -> str:
        """The name of the folder of this generation's files."""
        return self.request.name if self.generation == 1 else f"{self.request.name}-r{self.generation}"


class SiteLedger:
    """One record per site request. All methods raise DataFolderUnusable when the store fails."""

    def __init__(self, store: RecordStore, exports: Ledger) -> None:
        self._store = store
        self._exports = exports

    @classmethod
    def in_folder(cls, data_dir: UPath | Path) -> "SiteLedger":
        return cls(record_store(UPath(data_dir) / SITE_LEDGER), Ledger.in_folder(data_dir))

    def find(self, request: SiteRequest) -> SiteRecord | None:
        """Return the record, or None if there is none. One that cannot be read is set aside and named.

        Then the site is sliced anew; a finished analysis does not change, so the slices are those whose jobs the
        ledger of exports knows.
        """
        content = self._store.read(request.fingerprint)
        if content is None:
            return None
        try:
            return _parsed(request.fingerprint, content)
        except ValidationError:
            aside = self._store.set_aside(request.fingerprint)
            LOGGER.warning("The record of how this site was sliced is damaged. It is kept as %s.", aside)
            return None

    def planned(self, request: SiteRequest, plan: SlicePlan, *, refresh: bool) -> SiteRecord:
        """Return the record that a run is to work on; `plan` is taken only where none was written before.

        Nothing is written: `write` it before the first job is submitted. A refresh of a published export wants every
        slice anew; of one that is under way, only the slices whose file Botify has no more. What was published and
        has to be made again is under way.
        """
        record = self.find(request)
        if record is None:
            wanted = self._generations(request.slices(plan), refresh=refresh)
            return SiteRecord(request=request, plan=plan, slice_generations=wanted, planned_at=datetime.now(UTC))
        unpublished = {"state": SiteState.PLANNED, "published_at": None, "slice_generations": self._attainable(record)}
        under_way = record.model_copy(update=unpublished)
        if not refresh:
            return under_way
        if record.is_published:
            changes = {"generation": record.generation + 1}
            wanted = self._generations(record.slices, refresh=True)
        else:
            changes, wanted = {}, self._where_gone(under_way)
        return under_way.model_copy(update=changes | {"slice_generations": wanted})

    async def expected(self, request: SiteRequest, slicing: Callable[[], Awaitable[SlicePlan]]) -> SiteRecord:
        """Return the record that a run would work on; the site is sliced where no plan was written before."""
        known = self.find(request)
        return self.planned(request, known.plan if known else await slicing(), refresh=False)

    def write(self, record: SiteRecord) -> SiteRecord:
        """Make the record durable, and return it."""
        self._store.write(record.request.fingerprint, record.model_dump_json(indent=1).encode())
        return record

    def published(self, record: SiteRecord) -> SiteRecord:
        """Record that the files stand under their name, for the site and for each slice."""
        for request in record.slices:
            known = self._exports.find(request)
            if known and known.job_id and known.state.is_unfinished:
                self._exports.advance(request, State.MERGED, known.job_id, f"into {record.name}")
        changes = {"state": SiteState.PUBLISHED, "published_at": datetime.now(UTC)}
        self.find(record.request)  # a store may write only what it has read
        return self.write(record.model_copy(update=changes))

    def needs_refresh(self, record: SiteRecord, number: int) -> bool:
        """Tell whether the slice with this number (from 0) is still of an earlier generation than is wanted."""
        return self._is_earlier(record.slices[number], record.slice_generations[number])

    def still_to_pay(self, record: SiteRecord) -> int:
        """Return the credits of the slices' jobs that are still to be made."""
        slices = zip(record.slices, record.slice_generations, strict=True)
        return sum(still_to_pay(self._exports, each, refresh=self._is_earlier(each, wanted)) for each, wanted in slices)

    def all(self) -> Iterator[SiteRecord | str]:
        """Yield every record; the fingerprint alone where it cannot be read."""
        for name, content in self._store.read_all():
            try:
                yield _parsed(name, content)
            except ValidationError:
                yield name

    def named(self, name: str) -> SiteRecord | None:
        """Return the one with this name or fingerprint (its beginning will do), if there is one."""
        known = [record for record in self.all() if isinstance(record, SiteRecord)]
        fitting = [record for record in known if name == record.name]
        if len(name) >= 6:
            fitting = fitting or [record for record in known if record.request.fingerprint.startswith(name)]
        return fitting[0] if len(fitting) == 1 else None

    def _generations(self, slices: Sequence[ExportRequest], *, refresh: bool) -> tuple[int, ...]:
        return tuple(self._generation(request, newer=refresh) for request in slices)

    def _is_earlier(self, request: ExportRequest, wanted: int) -> bool:
        known = self._exports.find(request)
        return known is not None and known.generation < wanted

    def _attainable(self, record: SiteRecord) -> tuple[int, ...]:
        """Return the generations that are wanted, but of a slice whose record was lost the one that begins anew."""
        slices = zip(record.slices, record.slice_generations, strict=True)
        return tuple(self._begun_anew(request) or wanted for request, wanted in slices)

    def _begun_anew(self, request: ExportRequest) -> int | None:
        known = self._exports.find(request)
        if known is None:
            return 1
        return known.generation if known.tag is None else None

    def _where_gone(self, record: SiteRecord) -> tuple[int, ...]:
        slices = zip(record.slices, record.slice_generations, strict=True)
        return tuple(max(wanted, self._generation(request, newer=self._is_gone(request))) for request, wanted in slices)

    def _generation(self, request: ExportRequest, *, newer: bool) -> int:
        known = self._exports.find(request)
        if known is None:
            return 1
        return known.generation + (newer and not known.is_refresh_under_way)

    def _is_gone(self, request: ExportRequest) -> bool:
        known = self._exports.find(request)
        return known is not None and known.state is State.GONE


def _parsed(name: str, content: bytes) -> SiteRecord:
    refuse_newer(name, content, VERSION)
    return SiteRecord.model_validate_json(content)
