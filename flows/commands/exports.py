"""`botify-export exports`: every export that this data folder knows, and what to do about it. Asks nobody."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from flows.commands.printing import print_json
from tasks.delivery.manifest import MANIFEST
from tasks.exports.places import Places
from tasks.exports.settings import Settings
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State


class ListedExport(BaseModel):
    """One export; everything but the name is None where its record is damaged."""

    model_config = ConfigDict(frozen=True)

    name: str
    org: str | None = None
    project: str | None = None
    analysis: str | None = None
    max_depth: int | None = None
    rows: int | None = None
    state: State | None = None
    job_id: str | None = None
    since: datetime | None = None
    manifest: Path | None = None
    next_step: str


class Listed(BaseModel):
    """What `exports --json` prints."""

    model_config = ConfigDict(frozen=True)

    exports: tuple[ListedExport, ...]


def exports(options: argparse.Namespace) -> None:
    """Print the exports, the newest first. Raises ExportError."""
    places = Places(Settings.load(options.output_dir).data_dir)
    found = [_listed(record, places) for record in Ledger.in_folder(places.data_dir).all()]
    listed = Listed(exports=tuple(sorted(found, key=_newest_first)))
    if options.json:
        print_json(listed)
    elif not listed.exports:
        print(f"No export was made in {places.data_dir} yet.")
    else:
        print(pd.DataFrame([_row(export) for export in listed.exports]).to_string(index=False))


def _newest_first(export: ListedExport) -> float:
    return -export.since.timestamp() if export.since else 0.0


def _listed(record: ExportRecord | str, places: Places) -> ListedExport:
    if isinstance(record, str):
        return ListedExport(name=record[:16], next_step="its record is damaged: run its command again to repair it")
    request = record.request
    manifest = places.published(request, record.name) / MANIFEST
    return ListedExport(
        name=record.name,
        org=request.org,
        project=request.project,
        analysis=request.analysis,
        max_depth=request.filter.max_depth,
        rows=request.expected.rows if record.rows is None else record.rows,
        state=record.state,
        job_id=record.job_id,
        since=record.history[-1].at,
        manifest=manifest if manifest.exists() else None,
        next_step=_next_step(record, is_there=manifest.exists()),
    )


def _next_step(record: ExportRecord, *, is_there: bool) -> str:
    match record.state:
        case State.PUBLISHED:
            return "" if is_there else "its files are missing: `resume` fetches them again"
        case State.FAILED | State.WITHDRAWN:
            return "run its command again: it submits a new job"
        case State.GONE:
            return "`run … --refresh` makes, and pays for, a new one"
        case _:
            return f"`botify-export resume {record.name}`"


def _row(export: ListedExport) -> dict[str, str]:
    return {
        "Export": export.name,
        "Project": f"{export.org}/{export.project}" if export.org else "",
        "Analysis": export.analysis or "",
        "Rows": "" if export.rows is None else f"{export.rows:,}",
        "State": export.state or "damaged",
        "Job": export.job_id or "",
        "Age": _age(export.since) if export.since else "",
        "What to do": export.next_step,
    }


def _age(since: datetime) -> str:
    seconds = max((datetime.now(UTC) - since).total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
