"""From a job that is done to checked files in the staging folder (botify-api.md §4.7, §5.5)."""

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from tasks.botify.client import TRIES, BotifyClient
from tasks.botify.jobs import Job, read_job
from tasks.botify.tls import tls_context
from tasks.delivery.checks import checks, refuse_unless_all_hold
from tasks.delivery.in_thread import in_thread
from tasks.delivery.manifest import Check, is_intact
from tasks.delivery.partial import PartialArchive
from tasks.exports.errors import DataFolderUnusable, DownloadDamaged, FileGone, FileRefused, NotFound, RowsDiffer
from tasks.exports.request import ExportRequest
from tasks.exports.version import VERSION
from tasks.exports.wanted import ALL_FILES, WantedFiles
from tasks.files.durable import make_folder, rename_durably, write_durably
from tasks.files.fetch import fetch
from tasks.files.spreadsheet import write_spreadsheets
from tasks.files.staging import Limits, Staged, stage

LOGGER = logging.getLogger("botify_export")

RECEIPT: Final = "receipt.json"
# A damaged or short file is fetched again from zero, from a fresh link: that costs nothing.
FETCHES: Final = 3


class Download(BaseModel):
    """Files that are whole and checked, but not published yet."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    staged: Staged
    checks: tuple[Check, ...]
    finished_at: datetime


@dataclass
class Arrival:
    """How much has come so far: written by the thread that downloads, read by whoever shows it."""

    received: int = 0
    expected: int | None = None
    rows: int = 0

    def bytes_came(self, received: int, expected: int | None) -> None:
        self.received, self.expected = received, expected

    def rows_came(self, rows: int) -> None:
        self.rows = rows

    def in_words(self) -> str:
        of = f" of {self.expected / 1e6:,.1f}" if self.expected else ""
        return f"{self.received / 1e6:,.1f}{of} MB, {self.rows:,} rows"


@dataclass(frozen=True)
class Downloader:
    """Fetches the file of one job into one folder. Hold the export's lock around it."""

    client: BotifyClient
    request: ExportRequest
    folder: Path
    wanted: WantedFiles = ALL_FILES

    async def download(self, job_id: str, arrival: Arrival) -> Download:
        """Fetch, unpack, convert and check; nothing is fetched if an earlier process got as far as this.

        Raises FileGone, DownloadDamaged, DownloadInterrupted, FileRefused, RowsDiffer, DataFolderUnusable.
        """
        if earlier := downloaded_earlier(self.folder, job_id, self.wanted):
            return earlier
        for left in reversed(range(FETCHES)):
            try:
                return await self._download_once(job_id, arrival)
            except (DownloadDamaged, FileRefused, RowsDiffer) as failure:
                if not left or isinstance(failure, FileRefused):
                    raise type(failure)(f"{failure} What came is kept in {self._set_aside()}.") from None
                LOGGER.warning("%s It is fetched again, from zero.", failure)
        raise AssertionError("FETCHES is at least 1")

    async def _download_once(self, job_id: str, arrival: Arrival) -> Download:
        job = await self._done(job_id)
        link = _link(job)
        self._make_empty_folder()
        loop = asyncio.get_running_loop()

        def fresh_link() -> SecretStr:
            return _link(asyncio.run_coroutine_threadsafe(self._done(job_id), loop).result())

        part = PartialArchive(self.folder.with_name(f"{self.folder.name}.part"), job_id)
        try:
            staged = await in_thread(lambda stop: self._stage(link, fresh_link, stop, arrival, part))
        except (DownloadDamaged, FileRefused):
            part.forget()
            raise
        part.forget()
        found = checks(
            staged,
            length=arrival.expected,
            rows_expected=self.request.expected.rows,
            nb_lines=job.results.nb_lines,
            tolerance=self.client.settings.row_tolerance,
        )
        refuse_unless_all_hold(found)
        download = Download(job_id=job_id, staged=staged, checks=found, finished_at=datetime.now(UTC))
        write_durably(self.folder / RECEIPT, download.model_dump_json().encode())
        return download

    def _set_aside(self) -> Path:
        """Keep what came as evidence, where no later attempt overwrites it; the newest evidence is enough."""
        aside = self.folder.with_name(f"{self.folder.name}.refused")
        shutil.rmtree(aside, ignore_errors=True)
        rename_durably(self.folder, aside)
        return aside

    async def _done(self, job_id: str) -> Job:
        try:
            return await read_job(self.client, job_id, tries=TRIES)
        except NotFound as unknown:
            raise FileGone(f"Botify no longer knows job {job_id}. {unknown}") from None

    def _make_empty_folder(self) -> None:
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            make_folder(self.folder)
        except OSError as error:
            raise DataFolderUnusable(f"{self.folder} cannot be made: {error.strerror or error}.") from error

    def _stage(
        self,
        link: SecretStr,
        fresh_link: Callable[[], SecretStr],
        stop: threading.Event,
        arrival: Arrival,
        part: PartialArchive,
    ) -> Staged:
        # A client of its own, which never knew the token: the download host is not Botify's API (§5.5, §8.17).
        agent = {"User-Agent": f"botify-export/{VERSION}"}
        with httpx.Client(headers=agent, verify=tls_context()) as client:
            progress = part.progress()
            chunks = fetch(
                link, client=client, fresh_url=fresh_link, stop=stop, on_bytes=arrival.bytes_came, progress=progress
            )
            staged = stage(
                part.continued(chunks, progress),
                self.request.columns,
                self.folder,
                limits=Limits(max_bytes=self.client.settings.max_file_bytes),
                output=self.wanted.output,
                metadata=_facts(self.request),
                on_rows=arrival.rows_came,
            )
        if not (self.wanted.excel and staged.csv):
            return staged
        return staged.model_copy(update={"spreadsheets": write_spreadsheets(staged.csv.path, self.folder)})


def downloaded_earlier(folder: Path, job_id: str, wanted: WantedFiles) -> Download | None:
    """Return what an earlier process downloaded of this job, if it is all that is wanted and every byte holds."""
    try:
        download = Download.model_validate_json((folder / RECEIPT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as error:
        raise DataFolderUnusable(f"{folder / RECEIPT} cannot be read: {error.strerror or error}.") from error
    files = download.staged.files
    if download.job_id != job_id or not wanted.are_among([file.path.name for file in files]):
        return None
    return download if all(is_intact(folder / file.path.name, file.sha256) for file in files) else None


def _link(job: Job) -> SecretStr:
    if not job.results.download_url:
        raise FileGone(f"Job {job.job_id} is {job.job_status or 'without a status'}, but Botify names no file of it.")
    return job.results.download_url


def _facts(request: ExportRequest) -> dict[str, str]:
    """Return what the Parquet file says of itself: only what is the same whenever this export is made."""
    return {
        "botify_export.project": f"{request.org}/{request.project}",
        "botify_export.analysis": request.analysis,
        "botify_export.filter": request.filter.in_words(),
        "botify_export.fingerprint": request.fingerprint,
    }
