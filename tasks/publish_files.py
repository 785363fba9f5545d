"""Step 7: the files appear under their names, all at once; and what was published before is found again."""

import asyncio
import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts.progress import Step, show
from tasks.artifacts.report import show_report
from tasks.artifacts.run_page import announce
from tasks.delivery import publishing
from tasks.delivery.downloading import Download
from tasks.exports.outcome import JobUsed, Outcome
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.wanted import WantedFiles

LOGGER = logging.getLogger("botify_export")


# Neither is cached: what counts is what stands on the disk now, and both look there.
@task(name="publish-files", cache_policy=NO_CACHE)
async def publish_files(request: ExportRequest, job: JobUsed, download: Download, places: Places) -> Outcome:
    """Publish the staged files with their manifest. Raises DataFolderUnusable."""
    show(Step.PUBLISH, "Publishing")
    outcome = await asyncio.to_thread(publishing.publish, request, job, download, places)
    announce("published", outcome.org, outcome.project, rows=outcome.rows, manifest=str(outcome.manifest))
    await show_report(outcome, request.api)
    return outcome


@task(name="find-published-files", cache_policy=NO_CACHE)
async def find_published_files(
    request: ExportRequest, places: Places, wanted: WantedFiles, *, refresh: bool
) -> Outcome | None:
    """Return the export if all that is wanted is published already and holds against its manifest."""
    show(Step.COLUMNS, "Looking for the export in the data folder")
    outcome = await asyncio.to_thread(publishing.find_published, request, places, wanted, refresh=refresh)
    if outcome:
        LOGGER.info("This export is published already, and every byte of it holds: reused.")
        await show_report(outcome, request.api)
    return outcome
