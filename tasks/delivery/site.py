"""The slices of a site become one CSV, one Parquet file and one manifest, published as a whole."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from upath import UPath

from tasks.delivery.checks import refuse_unless_all_hold, site_checks
from tasks.delivery.downloading import Download
from tasks.delivery.manifest import Check, JobFacts, Manifest, read_manifest
from tasks.delivery.publishing import (
    find_published,
    intact_manifest,
    job_facts,
    make_public,
    outcome_of,
    published_files,
    reused,
    versions,
    with_published,
)
from tasks.exports.errors import DataFolderUnusable, RowsDiffer
from tasks.exports.outcome import JobUsed, Outcome, Status
from tasks.exports.places import Location, Places
from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest
from tasks.exports.wanted import CSV, OutputFormat, WantedFiles
from tasks.files.durable import make_folder, rename_durably
from tasks.files.merging import joined
from tasks.files.reached import is_there
from tasks.files.spreadsheet import write_spreadsheets
from tasks.files.staging import Limits, Staged, stage
from tasks.ledger.ledger import Ledger
from tasks.ledger.sites import SiteLedger, SiteRecord

LOGGER = logging.getLogger("botify_export")

OF_A_SLICE = WantedFiles.of(OutputFormat.CSV)
"""The files that are made of a slice: what people read is made of all slices together."""


class SlicePart(BaseModel):
    """A slice that is here, whole and checked: its rows as a CSV, and its job."""

    model_config = ConfigDict(frozen=True)

    csv: Location
    job: JobUsed
    facts: JobFacts


def downloaded_part(request: ExportRequest, job: JobUsed, download: Download, places: Places) -> SlicePart:
    """Return the part that a download is."""
    facts = job_facts(request, job, download, Ledger.in_folder(places.data_dir).find(request))
    return SlicePart(csv=UPath(places.staging(request) / CSV), job=job, facts=facts)


def published_part(request: ExportRequest, places: Places, *, refresh: bool) -> SlicePart | None:
    """Return the part if an export of just this slice stands published: the export to a depth that came before."""
    found = find_published(request, places, OF_A_SLICE, refresh=refresh)
    if found is None or found.csv is None:
        return None
    return SlicePart(csv=found.csv, job=found.jobs[0], facts=read_manifest(found.csv.parent).jobs[0])


def find_published_site(request: SiteRequest, places: Places, wanted: WantedFiles, *, refresh: bool) -> Outcome | None:
    """Return the site's export if it is published and every byte of it still holds; None if it has to be made."""
    ledger = SiteLedger.in_folder(places.data_dir)
    record = ledger.find(request)
    if record is None or (refresh and record.is_published):
        return None
    folder = places.published(request, record.name)
    if not is_there(folder):
        return None
    manifest = intact_manifest(folder, wanted)
    if manifest is None:
        return None
    if not record.is_published:  # a process died between the two; a published site's slices may be another run's
        _forget_slices(ledger.published(record), places)
    return reused(manifest, folder)


def publish_site(
    record: SiteRecord, parts: Sequence[SlicePart], places: Places, wanted: WantedFiles, *, tolerance: float = 0
) -> Outcome:
    """Merge the parts, in the order of the plan, and publish them; a reader sees no export, or a whole one.

    Memory does not grow with the site, but for 16 bytes a URL while it is made sure that none stands twice.
    Raises RowsDiffer (nothing is published, the slices are kept), DataFolderUnusable.
    """
    staging = places.staging(record.request)
    folder = places.published(record.request, record.name)
    staged = _merge(record, parts, staging, with_published(wanted, folder))
    checks = site_checks(staged, [part.facts.rows for part in parts], record.plan.urls_total, tolerance)
    _refuse_unless_all_hold(checks, staging)
    manifest = _manifest(record, parts, staged, checks)
    make_public(staging, folder, manifest)
    _forget_slices(SiteLedger.in_folder(places.data_dir).published(record), places)
    return outcome_of(manifest, folder, Status.COMPLETED, [part.job for part in parts])


def _merge(record: SiteRecord, parts: Sequence[SlicePart], staging: Path, wanted: WantedFiles) -> Staged:
    request = record.request
    files = [part.csv for part in parts]
    try:
        shutil.rmtree(staging, ignore_errors=True)
        make_folder(staging)
        staged = stage(
            joined(files),
            request.columns,
            staging,
            limits=Limits(max_bytes=sum(file.stat().st_size + 2 for file in files)),
            output=wanted.output,
            metadata={
                "botify_export.project": f"{request.org}/{request.project}",
                "botify_export.analysis": request.analysis,
                "botify_export.filter": "the whole site",
                "botify_export.fingerprint": request.fingerprint,
            },
        )
        if wanted.excel and staged.csv:
            spreadsheets = write_spreadsheets(staged.csv.path, staging)
            staged = staged.model_copy(update={"spreadsheets": spreadsheets})
    except OSError as error:
        raise DataFolderUnusable(f"The slices cannot be merged: {error.strerror or error}.") from error
    return staged


def _refuse_unless_all_hold(checks: tuple[Check, ...], staging: Path) -> None:
    try:
        refuse_unless_all_hold(checks)
    except RowsDiffer as failure:
        aside = staging.with_name(f"{staging.name}.refused")
        shutil.rmtree(aside, ignore_errors=True)
        rename_durably(staging, aside)
        raise RowsDiffer(
            f"{failure} What came is kept in {aside}.",
            next_step="The slices are kept and paid for; ask Botify's support about this analysis, quoting the above.",
        ) from None


def _manifest(record: SiteRecord, parts: Sequence[SlicePart], staged: Staged, checks: tuple[Check, ...]) -> Manifest:
    request = record.request
    return Manifest(
        org=request.org,
        project=request.project,
        analysis=request.analysis,
        max_depth=None,
        urls_total=record.plan.urls_total,
        urls_without_depth=record.plan.urls_without_depth,
        fingerprint=request.fingerprint,
        generation=record.generation,
        jobs=tuple(part.facts for part in parts),
        rows_predicted=record.plan.credits,
        rows=staged.rows,
        columns=request.columns,
        files=published_files(staged),
        checks=checks,
        kept_as_text=staged.kept_as_text,
        versions=versions(),
        times={"planned": record.planned_at, "published": datetime.now(UTC)},
    )


def _forget_slices(record: SiteRecord, places: Places) -> None:
    """Remove what was downloaded of the slices: their rows stand in the published files."""
    for folder in _staged(record, places):
        shutil.rmtree(folder, ignore_errors=True)


def _staged(record: SiteRecord, places: Places) -> Iterator[Path]:
    return (folder for request in record.slices if (folder := places.staging(request)).exists())
