"""Step 2: which of the project's analyses is exported."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts.progress import Step, show
from tasks.botify import analyses
from tasks.botify.analyses import LATEST, Analysis
from tasks.botify.client import BotifyClient
from tasks.exports.project_address import ProjectAddress
from tasks.exports.settings import Settings

LOGGER = logging.getLogger("botify_export")


# Never cached: the newest analysis is another one tomorrow.
@task(name="select-analysis", cache_policy=NO_CACHE)
async def select_analysis(address: ProjectAddress, wanted: str | None) -> Analysis:
    """Choose the analysis: the one wanted, else the one in the URL, else the newest. Raises AnalysisRefused."""
    show(Step.SELECT, f"Selecting the analysis of {address}")
    async with BotifyClient(Settings.load()) as client:
        analysis = await analyses.select_analysis(client, address, wanted or address.analysis or LATEST)
    LOGGER.info("Analysis %s of %s.", analysis.slug, address)
    return analysis
