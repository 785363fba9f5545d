"""`botify-export exports`: every export that this data folder knows, what to do about it, and what was paid."""

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd
from pydantic import BaseModel, ConfigDict
from upath import UPath

from flows.commands.printing import print_json
from tasks.delivery.manifest import MANIFEST
from tasks.exports.places import Location, Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.site import SiteRequest
from tasks.files.reached import is_there
from tasks.ledger.credits import Spent, credits_by_day
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tasks.ledger.sites import SiteLedger, SiteRecord

DAMAGED = "its record is damaged: run its command again to repair it"


class ListedExport(BaseModel):
    """One export; everything but the name is None where its record is damaged.

    A slice names the whole-site export that it is `part_of`; that one counts its `slices`, and the credits that are
    still to be paid for them.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    org: str | None = None
    project: str | None = None
    analysis: str | None = None
    max_depth: int | None = None
    rows: int | None = None
    state: str | None = None
    job_id: str | None = None
    slices: int | None = None
    part_of: str | None = None
    credits_to_pay: int | None = None
    since: datetime | None = None
    manifest: Location | None = None
    next_step: str


class Listed(BaseModel):
    """What `exports --json` prints."""

    model_config = ConfigDict(frozen=True)

    exports: tuple[ListedExport, ...]
    credits: tuple[Spent, ...]


def exports(options: argparse.Namespace) -> None:
    """Print the exports, the newest first, and the credits by day and project. Raises ExportError."""
    places = Settings.load(options.output_dir).places
    listed = _listed(places)
    if options.json:
        print_json(listed)
    elif not listed.exports:
        print(f"No export was made in {places.data_dir} yet.")
    else:
        print(pd.DataFrame([_row(export) for export in listed.exports]).to_string(index=False))
        if listed.credits:
            print()
            print(pd.DataFrame([_spent_row(spent) for spent in listed.credits]).to_string(index=False))


def _listed(places: Places) -> Listed:
    ledger, sites = Ledger.in_folder(places.data_dir), SiteLedger.in_folder(places.data_dir)
    known = list(sites.all())
    wholes = {each.fingerprint: site for site in _readable_sites(known) for each in site.slices}
    records = list(ledger.all())
    found = [_site(site, sites, places) for site in known]
    found += [_export(record, places, wholes) for record in records]
    return Listed(
        exports=tuple(sorted(found, key=_newest_first)),
        credits=tuple(credits_by_day(record for record in records if isinstance(record, ExportRecord))),
    )


def _readable_sites(known: Iterable[SiteRecord | str]) -> list[SiteRecord]:
    return [site for site in known if isinstance(site, SiteRecord)]


def _newest_first(export: ListedExport) -> float:
    return -export.since.timestamp() if export.since else 0.0


def _site(record: SiteRecord | str, sites: SiteLedger, places: Places) -> ListedExport:
    if isinstance(record, str):
        return ListedExport(name=record[:16], next_step=DAMAGED)
    manifest = _manifest(places, record.request, record.name)
    return ListedExport(
        name=record.name,
        org=record.request.org,
        project=record.request.project,
        analysis=record.request.analysis,
        rows=record.plan.urls_total,
        state=record.state,
        slices=len(record.slices),
        credits_to_pay=sites.still_to_pay(record),
        since=record.published_at or record.planned_at,
        manifest=manifest,
        next_step=_site_next_step(record, is_there=manifest is not None),
    )


def _site_next_step(record: SiteRecord, *, is_there: bool) -> str:
    if not record.is_published:
        return f"`botify-export resume {record.name}`"
    return "" if is_there else "its files are missing: `resume` fetches them again"


def _export(record: ExportRecord | str, places: Places, wholes: dict[str, SiteRecord]) -> ListedExport:
    if isinstance(record, str):
        return ListedExport(name=record[:16], next_step=DAMAGED)
    request = record.request
    manifest = _manifest(places, request, record.name)
    part_of = _part_of(record, wholes.get(record.fingerprint))
    return ListedExport(
        name=record.name,
        org=request.org,
        project=request.project,
        analysis=request.analysis,
        max_depth=request.max_depth,
        rows=request.expected.rows if record.rows is None else record.rows,
        state=record.state,
        job_id=record.job_id,
        part_of=part_of,
        since=record.history[-1].at,
        manifest=manifest,
        next_step=f"part of {part_of}" if part_of else _next_step(record, is_there=manifest is not None),
    )


def _part_of(record: ExportRecord, whole: SiteRecord | None) -> str | None:
    """Return the whole-site export that has the record's rows, or brings them; None for an export of its own."""
    if whole is None or record.state is State.PUBLISHED:
        return None
    return whole.name if record.state is State.MERGED or not whole.is_published else None


def _manifest(places: Places, request: ExportRequest | SiteRequest, name: str) -> UPath | None:
    manifest = places.published(request, name) / MANIFEST
    return manifest if is_there(manifest) else None


def _next_step(record: ExportRecord, *, is_there: bool) -> str:
    match record.state:
        case State.PUBLISHED:
            return "" if is_there else "its files are missing: `resume` fetches them again"
        case State.FAILED | State.WITHDRAWN:
            return "run its command again: it submits a new job"
        case State.GONE:
            return "`run … --refresh` makes, and pays for, a new one"
        case State.MERGED:
            return ""
        case _:
            return f"`botify-export resume {record.name}`"


def _row(export: ListedExport) -> dict[str, str]:
    jobs = f"{export.slices} slices" if export.slices else export.job_id
    return {
        "Export": export.name,
        "Project": f"{export.org}/{export.project}" if export.org else "",
        "Analysis": export.analysis or "",
        "Rows": "" if export.rows is None else f"{export.rows:,}",
        "State": export.state or "damaged",
        "Job": jobs or "",
        "Age": _age(export.since) if export.since else "",
        "What to do": export.next_step,
    }


def _spent_row(spent: Spent) -> dict[str, str]:
    return {
        "Day (UTC)": f"{spent.day}",
        "Project": f"{spent.org}/{spent.project}",
        "Jobs": f"{spent.jobs:,}",
        "Credits": f"{spent.credits:,}",
    }


def _age(since: datetime) -> str:
    seconds = max((datetime.now(UTC) - since).total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
