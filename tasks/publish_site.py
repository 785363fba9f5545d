"""Step 7 of an export of the whole site: its slices become one CSV, one Parquet file and one manifest."""

import asyncio
import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts.progress import Step, show
from tasks.artifacts.report import show_report
from tasks.artifacts.run_page import announce
from tasks.delivery import site
from tasks.delivery.site import SlicePart
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.settings import Settings
from tasks.exports.site import SiteRequest
from tasks.exports.wanted import WantedFiles
from tasks.ledger.sites import SiteRecord

LOGGER = logging.getLogger("botify_export")


# Neither is cached: what counts is what stands on the disk now, and both look there.
@task(name="publish-site", cache_policy=NO_CACHE)
async def publish_site(record: SiteRecord, parts: list[SlicePart], places: Places, wanted: WantedFiles) -> Outcome:
    """Merge and publish the slices. Raises RowsDiffer, DataFolderUnusable."""
    show(Step.PUBLISH, f"Merging {len(parts)} slices")
    tolerance = Settings.load().row_tolerance
    outcome = await asyncio.to_thread(site.publish_site, record, parts, places, wanted, tolerance=tolerance)
    announce("published", outcome.org, outcome.project, rows=outcome.rows, manifest=str(outcome.manifest))
    await show_report(outcome, record.request.api)
    return outcome


@task(name="find-published-site", cache_policy=NO_CACHE)
async def find_published_site(
    request: SiteRequest, places: Places, wanted: WantedFiles, *, refresh: bool
) -> Outcome | None:
    """Return the export if all that is wanted is published already and holds against its manifest."""
    show(Step.COLUMNS, "Looking for the export in the data folder")
    outcome = await asyncio.to_thread(site.find_published_site, request, places, wanted, refresh=refresh)
    if outcome:
        LOGGER.info("This export is published already, and every byte of it holds: reused.")
        await show_report(outcome, request.api)
    return outcome
