"""From the staging folder to the published one, in one step; and back to what was published before."""

import logging
import os
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError
from upath import UPath

from tasks.delivery.downloading import RECEIPT, Download
from tasks.delivery.manifest import MANIFEST, JobFacts, Manifest, PublishedFile, problems, read_manifest
from tasks.exports.outcome import JobUsed, Outcome, Status
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.version import VERSION
from tasks.exports.wanted import CSV, PARQUET, WantedFiles
from tasks.files.durable import rename_durably, write_durably
from tasks.files.reached import is_there
from tasks.files.staged import Staged
from tasks.files.upload import upload
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import Decision, ExportRecord, State

LOGGER = logging.getLogger("botify_export")


def publish(request: ExportRequest, job: JobUsed, download: Download, places: Places) -> Outcome:
    """Make the staging folder the published one: a reader sees no export, or a whole one.

    The files in it are already on disk; the manifest is added last. Whatever stood there did not hold against
    its manifest and is kept beside it. Raises DataFolderUnusable.
    """
    ledger = Ledger.in_folder(places.data_dir)
    record = ledger.find(request)
    folder = places.published(request, record.name if record else request.name)
    manifest = _manifest(request, job, download, record)
    make_public(places.staging(request), folder, manifest)
    ledger.advance(request, State.PUBLISHED, job.job_id, rows=manifest.rows, folder=str(folder))
    return outcome_of(manifest, folder, Status.COMPLETED, [job])


def make_public(staging: Path, folder: UPath, manifest: Manifest) -> None:
    """Give the staged files their manifest and their name. Raises DataFolderUnusable."""
    write_durably(staging / MANIFEST, manifest.model_dump_json(indent=2).encode())
    if not isinstance(folder, Path):
        upload(staging, manifest.file_names, MANIFEST, folder)
        shutil.rmtree(staging, ignore_errors=True)
        return
    (staging / RECEIPT).unlink(missing_ok=True)
    if os.path.lexists(folder):
        rename_durably(folder, folder.with_name(f"{folder.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"))
    rename_durably(staging, folder)


def find_published(request: ExportRequest, places: Places, wanted: WantedFiles, *, refresh: bool) -> Outcome | None:
    """Return the export if it is published and every byte of it still holds; None if it has to be made.

    A folder that no longer holds, or lacks a file that is wanted now, is named in the log: its files are fetched
    again from the same job.
    """
    ledger = Ledger.in_folder(places.data_dir)
    record = ledger.find(request)
    if refresh and not (record and record.is_refresh_under_way):
        return None
    folder = places.published(request, record.name if record else request.name)
    if not is_there(folder) or (record and record.state.has_no_job):
        return None
    manifest = intact_manifest(folder, wanted)
    if manifest is None:
        return None
    if record is None or record.state is not State.PUBLISHED:
        job_id = manifest.jobs[0].job_id
        ledger.advance(request, State.PUBLISHED, job_id, rows=manifest.rows, folder=str(folder))
    return reused(manifest, folder)


def intact_manifest(folder: UPath, wanted: WantedFiles) -> Manifest | None:
    """Return the manifest of what is published in the folder, if all that is wanted is there and every byte holds."""
    if found := problems(folder):
        LOGGER.warning("What was published no longer holds: %s. It is fetched again, from the same job.", found[0])
        return None
    manifest = read_manifest(folder)
    if not wanted.are_among(manifest.file_names):
        LOGGER.info("Not all that is wanted was published before: it is fetched again, from the same job.")
        return None
    return manifest


def reused(manifest: Manifest, folder: UPath) -> Outcome:
    """Return what a run says of what it found published."""
    jobs = [JobUsed(job_id=job.job_id, decision=Decision.REUSED) for job in manifest.jobs]
    return outcome_of(manifest, folder, Status.REUSED, jobs)


def outcome_of(manifest: Manifest, folder: UPath, status: Status, jobs: Sequence[JobUsed]) -> Outcome:
    """Return what a run says of a published folder."""
    published = {name: folder / name for name in manifest.file_names}
    return Outcome(
        status=status,
        org=manifest.org,
        project=manifest.project,
        analysis=manifest.analysis,
        max_depth=manifest.max_depth,
        rows=manifest.rows,
        urls_total=manifest.urls_total,
        csv=published.pop(CSV, None),
        parquet=published.pop(PARQUET, None),
        excel=tuple(published.values()),
        manifest=folder / MANIFEST,
        jobs=tuple(jobs),
    )


def wanted_and_published(request: ExportRequest, places: Places, wanted: WantedFiles) -> WantedFiles:
    """Return the wanted files and those published before: whoever reads one of them keeps it."""
    record = Ledger.in_folder(places.data_dir).find(request)
    return with_published(wanted, places.published(request, record.name if record else request.name))


def with_published(wanted: WantedFiles, folder: UPath) -> WantedFiles:
    """Return the wanted files and those that the folder has."""
    try:
        return wanted.and_those(read_manifest(folder).file_names)
    except (FileNotFoundError, ValidationError):
        return wanted


def job_facts(request: ExportRequest, job: JobUsed, download: Download, record: ExportRecord | None) -> JobFacts:
    """Return what a manifest says of one job."""
    staged = download.staged
    return JobFacts(
        job_id=job.job_id,
        decision=job.decision,
        filter=request.filter.in_words(),
        request=request.payload(record.tag if record else None),
        rows_predicted=request.expected.rows,
        rows=staged.rows,
        checks=download.checks,
        archive=staged.archive,
        normalised=staged.normalised,
    )


def published_files(staged: Staged) -> tuple[PublishedFile, ...]:
    """Return what a manifest says of the staged files."""
    return tuple(PublishedFile(name=file.path.name, size=file.size, sha256=file.sha256) for file in staged.files)


def versions() -> dict[str, str]:
    """Return the versions of what made the files."""
    parts = {"botify-export": VERSION, "python": platform.python_version()}
    return parts | {name: version(name) for name in ("prefect", "pyarrow")}


def _manifest(request: ExportRequest, job: JobUsed, download: Download, record: ExportRecord | None) -> Manifest:
    times = {event.state.value: event.at for event in record.history} if record else {}
    return Manifest(
        org=request.org,
        project=request.project,
        analysis=request.analysis,
        max_depth=request.max_depth,
        urls_total=request.expected.urls_total,
        urls_without_depth=request.expected.urls_without_depth,
        fingerprint=request.fingerprint,
        generation=record.generation if record else 1,
        jobs=(job_facts(request, job, download, record),),
        rows_predicted=request.expected.rows,
        rows=download.staged.rows,
        columns=request.columns,
        files=published_files(download.staged),
        checks=(),
        kept_as_text=download.staged.kept_as_text,
        versions=versions(),
        times=times | {"downloaded": download.finished_at, "published": datetime.now(UTC)},
    )
