"""The second half of every export: from a complete request to its files."""

import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.runtime import flow_run

from flows.run_context import delivered
from tasks.artifacts.progress import Step, show
from tasks.download_and_unpack import download_and_unpack
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest
from tasks.exports.wanted import WantedFiles
from tasks.ledger.credits import refuse_beyond, still_to_pay
from tasks.ledger.ledger import Ledger
from tasks.ledger.lock import export_lock
from tasks.poll_job import poll_job
from tasks.publish_files import find_published_files, publish_files
from tasks.submit_job import submit_job

LOGGER = logging.getLogger("botify_export")


async def deliver(
    request: ExportRequest,
    places: Places,
    wanted: WantedFiles,
    *,
    refresh: bool = False,
    max_credits: int | None = None,
) -> Outcome:
    """Bring the export to its files: what is there is used, what is missing is done."""
    async with alone(request, places):
        if published := await find_published_files(request, places, wanted, refresh=refresh):
            return delivered(published)
        to_pay = still_to_pay(Ledger.in_folder(places.data_dir), request, refresh=refresh)
        refuse_beyond(max_credits, to_pay, request.expected.rows)
        job = await submit_job(request, places, refresh=refresh)
        await poll_job(request, job.job_id, places)
        download = await download_and_unpack(request, job.job_id, places, wanted)
        return delivered(await publish_files(request, job, download, places))


@asynccontextmanager
async def alone(request: ExportRequest | SiteRequest, places: Places) -> AsyncIterator[None]:
    """Be the only one at this export; whoever comes second waits, says for whom, and finds the work done."""

    def waiting(holder: str) -> None:
        LOGGER.warning("This export is being made by %s: waiting for it.", holder)
        show(Step.COLUMNS, f"Waiting for {holder}, which is making this export")

    holder = f"process {os.getpid()} on {socket.gethostname()}, run {flow_run.name}"
    async with export_lock(places.lock(request), holder, waiting):
        yield
