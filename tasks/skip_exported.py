"""Step 2 of a scheduled run: nothing is to be done when the newest analysis was exported already."""

import asyncio
import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.delivery.exported import Question, find_exported
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.project_address import ProjectAddress

LOGGER = logging.getLogger("botify_export")


@task(name="skip-exported", cache_policy=NO_CACHE)
async def skip_exported(address: ProjectAddress, analysis: str, question: Question, places: Places) -> Outcome | None:
    """Return the export that answers the question already, if there is one."""
    found = await asyncio.to_thread(find_exported, places, address.org, address.project, analysis, question)
    if found:
        LOGGER.info("Analysis %s was exported already: nothing to do.", analysis)
    return found
