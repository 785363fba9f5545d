"""The second half of every export: from a complete request to its files."""

import asyncio

from flows.run_context import delivered
from tasks.be_alone import alone
from tasks.download_and_unpack import download_and_unpack
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.wanted import WantedFiles
from tasks.ledger.credits import refuse_beyond, still_to_pay
from tasks.ledger.ledger import Ledger
from tasks.poll_job import poll_job
from tasks.publish_files import find_published_files, publish_files
from tasks.submit_job import submit_job


async def deliver(
    request: ExportRequest,
    places: Places,
    wanted: WantedFiles,
    *,
    refresh: bool = False,
    max_credits: int | None = None,
) -> Outcome:
    """Bring the export to its files: what is there is used, what is missing is done."""
    async with alone(request, places) as hold:
        if published := await find_published_files(request, places, wanted, refresh=refresh):
            return delivered(published)
        ledger = Ledger.in_folder(places.data_dir)
        to_pay = await asyncio.to_thread(still_to_pay, ledger, request, refresh=refresh)
        refuse_beyond(max_credits, to_pay, request.expected.rows)
        job = await submit_job(request, places, hold, refresh=refresh)
        await poll_job(request, job.job_id, places)
        download = await download_and_unpack(request, job.job_id, places, wanted)
        return delivered(await publish_files(request, job, download, places))
