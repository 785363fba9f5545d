"""Step 6: the bytes flow once, from the socket to a CSV and a Parquet file, and are checked."""

import asyncio
from contextlib import suppress
from typing import Any

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext

from tasks.artifacts.progress import Step, show
from tasks.botify.client import BotifyClient
from tasks.delivery.downloading import Arrival, Download, Downloader, downloaded_earlier
from tasks.delivery.publishing import wanted_and_published
from tasks.exports.cache_key import cache_key
from tasks.exports.errors import FileGone
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.wanted import WantedFiles
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import State

SHOW_EVERY = 0.5


async def download_and_unpack(request: ExportRequest, job_id: str, places: Places, wanted: WantedFiles) -> Download:
    """Fetch the job's file, unless it is staged already. Raises FileGone, DownloadDamaged, FileRefused, RowsDiffer.

    The cached result is believed only while the files that it points at still hold.
    """
    wanted = wanted_and_published(request, places, wanted)
    staged = downloaded_earlier(places.staging(request), job_id, wanted) is not None
    return await _download.with_options(refresh_cache=not staged)(request, job_id, places, wanted)


def _key(_: TaskRunContext, asked: dict[str, Any]) -> str:
    return cache_key("download-and-unpack", 1, asked["request"].fingerprint, asked["job_id"])


@task(name="download-and-unpack", cache_policy=CacheKeyFnPolicy(cache_key_fn=_key), result_serializer="json")
async def _download(request: ExportRequest, job_id: str, places: Places, wanted: WantedFiles) -> Download:
    arrival = Arrival()
    ledger = Ledger.in_folder(places.data_dir)
    showing = asyncio.create_task(_show(arrival))
    try:
        async with BotifyClient(Settings.load()) as client:
            downloader = Downloader(client, request, places.staging(request), wanted)
            download = await downloader.download(job_id, arrival)
    except FileGone as gone:
        ledger.advance(request, State.GONE, job_id, str(gone))
        raise
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
    ledger.advance(request, State.DOWNLOADED, job_id, rows=download.staged.rows)
    return download


async def _show(arrival: Arrival) -> None:
    while True:
        part = arrival.received / arrival.expected if arrival.expected else 0.0
        show(Step.DOWNLOAD, f"Downloading: {arrival.in_words()}", part)
        await asyncio.sleep(SHOW_EVERY)
