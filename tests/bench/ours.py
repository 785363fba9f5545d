"""All that lies between a job that is done and a published export, without Prefect."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from tasks.botify.client import BotifyClient
from tasks.delivery.downloading import Arrival, Downloader
from tasks.delivery.publishing import publish
from tasks.exports.filters import ToDepth
from tasks.exports.outcome import JobUsed, Outcome
from tasks.exports.places import Places
from tasks.exports.request import Expectation, ExportRequest
from tasks.exports.settings import Settings
from tests.bench.crawl import COLUMNS
from tests.bench.task import Task

_API = "http://127.0.0.1/v1"


def delivery(task: Task) -> Callable[[], None]:
    """Download, unpack, write both files, check, hash, sync, manifest, rename into place, and note it in the ledger."""

    def operation() -> None:
        outcome = asyncio.run(_deliver(task))
        assert outcome.rows == task.rows
        assert outcome.manifest.exists()

    return operation


async def _deliver(task: Task) -> Outcome:
    request, places = _request(task.rows), Places(Path(task.folder))
    settings = Settings(api_token="none", api_url=_API, data_dir=str(places.data_dir))
    async with BotifyClient(settings, transport=httpx.MockTransport(_botify(task))) as client:
        download = await Downloader(client, request, places.staging(request)).download("1", Arrival())
    return publish(request, JobUsed(job_id="1", decision="submitted"), download, places)


def _botify(task: Task) -> Callable[[httpx.Request], httpx.Response]:
    """The one thing that is asked of Botify here: where the file of the job is."""
    job = {"job_id": 1, "job_status": "DONE", "results": {"download_url": task.url, "nb_lines": task.rows}}
    return lambda request: httpx.Response(200, json=job)


def _request(rows: int) -> ExportRequest:
    return ExportRequest(
        api=_API,
        org="bench",
        project="www.example.com",
        analysis="20260131",
        columns=COLUMNS,
        filter=ToDepth(max_depth=30),
        max_rows=rows,
        expected=Expectation(rows=rows, urls_total=rows),
    )
