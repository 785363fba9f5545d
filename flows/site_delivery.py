"""The second half of an export of the whole site: its slices, several at a time, and then its files."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from flows.run_context import delivered
from tasks.artifacts.progress import SliceProgress
from tasks.be_alone import alone
from tasks.delivery.site import OF_A_SLICE, SlicePart, downloaded_part, published_part
from tasks.download_and_unpack import download_and_unpack
from tasks.exports.errors import ExportError
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.site import SiteRequest
from tasks.exports.slices import SlicePlan
from tasks.exports.wanted import WantedFiles
from tasks.ledger.credits import refuse_beyond
from tasks.ledger.lock import Hold
from tasks.ledger.sites import SiteLedger, SiteRecord
from tasks.poll_job import poll_job
from tasks.publish_site import find_published_site, publish_site
from tasks.submit_job import submit_job

MOST_REASONS: Final = 3


async def deliver_site(
    request: SiteRequest,
    plan: SlicePlan,
    places: Places,
    wanted: WantedFiles,
    *,
    refresh: bool = False,
    max_credits: int | None = None,
) -> Outcome:
    """Bring every slice to its rows, each paid for once, and publish them as one."""
    async with AsyncExitStack() as held:
        await held.enter_async_context(alone(request, places))
        if published := await find_published_site(request, places, wanted, refresh=refresh):
            return delivered(published)
        sites = SiteLedger.in_folder(places.data_dir)
        record = await asyncio.to_thread(sites.planned, request, plan, refresh=refresh)
        # Until the rows are published: nobody else may move them.
        holds = [await held.enter_async_context(alone(each, places)) for each in record.slices]
        refuse_beyond(max_credits, await asyncio.to_thread(sites.still_to_pay, record), record.plan.credits)
        await asyncio.to_thread(sites.write, record)
        parts = await _slices(record, holds, sites, places)
        return delivered(await publish_site(record, parts, places, wanted))


async def _slices(record: SiteRecord, holds: list[Hold], sites: SiteLedger, places: Places) -> list[SlicePart]:
    """Bring the slices, several at a time; one that fails lets the others finish. Raises what the worst one raised."""
    room = asyncio.Semaphore(Settings.load().parallel_jobs)
    progress = SliceProgress([each.rows for each in record.plan.slices])

    async def bring(number: int, each: ExportRequest) -> SlicePart:
        async with room:
            with progress.of_slice(number):
                refresh = await asyncio.to_thread(sites.needs_refresh, record, number)
                return await _slice(each, places, holds[number], refresh=refresh)

    # Gathered, not submitted: a submitted task costs a thread and an event loop each.
    bringing = (bring(number, each) for number, each in enumerate(record.slices))
    return _all_of(record, await asyncio.gather(*bringing, return_exceptions=True))


async def _slice(request: ExportRequest, places: Places, hold: Hold, *, refresh: bool) -> SlicePart:
    if published := await asyncio.to_thread(published_part, request, places, refresh=refresh):
        return published
    job = await submit_job(request, places, hold, refresh=refresh)
    await poll_job(request, job.job_id, places)
    download = await download_and_unpack(request, job.job_id, places, OF_A_SLICE)
    return downloaded_part(request, job, download, places)


def _all_of(record: SiteRecord, ended: Sequence[SlicePart | BaseException]) -> list[SlicePart]:
    failed = {number: end for number, end in enumerate(ended) if isinstance(end, BaseException)}
    if not failed:
        return [end for end in ended if isinstance(end, SlicePart)]
    refusals = {number: error for number, error in failed.items() if isinstance(error, ExportError)}
    if unforeseen := next((error for error in failed.values() if not isinstance(error, ExportError)), None):
        raise unforeseen
    slices = record.plan.slices
    worst = min(refusals.values(), key=lambda error: error.exit_code)
    said = [f"Slice {n + 1} ({slices[n].filter.in_words()}): {error}" for n, error in refusals.items()]
    more = f" And {len(said) - MOST_REASONS} more." if len(said) > MOST_REASONS else ""
    reasons = " ".join(said[:MOST_REASONS]) + more
    raise type(worst)(
        f"{len(failed)} of {len(ended)} slices are missing, and nothing was published. {reasons} "
        "The other slices are kept: running again makes only what is missing.",
        next_step=worst.next_step,
    ) from None
