"""Step 2: which of the project's analyses is exported."""

import logging
from datetime import date

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts.progress import Step, show
from tasks.botify import analyses
from tasks.botify.analyses import Analysis
from tasks.botify.client import BotifyClient
from tasks.exports.errors import AnalysisRefused
from tasks.exports.project_address import ProjectAddress, checked_analysis
from tasks.exports.settings import Settings

LOGGER = logging.getLogger("botify_export")


# Never cached: the newest analysis is another one tomorrow.
@task(name="select-analysis", cache_policy=NO_CACHE)
async def select_analysis(address: ProjectAddress, wanted: str | None) -> Analysis:
    """Choose the analysis: the one wanted, else the one in the URL, else the newest. Raises AnalysisRefused."""
    show(Step.SELECT, f"Selecting the analysis of {address}")
    async with BotifyClient(Settings.load()) as client:
        analysis = await analyses.select_analysis(client, address, address.wanted(wanted))
    LOGGER.info("Analysis %s of %s.", analysis.slug, address)
    return analysis


@task(name="select-analyses", cache_policy=NO_CACHE)
async def select_analyses(address: ProjectAddress, since: date, until: date) -> list[str]:
    """Return the successful analyses of these days, both included, oldest first. Raises AnalysisRefused."""
    async with BotifyClient(Settings.load()) as client:
        found = [analysis for analysis in await analyses.list_analyses(client, address) if analysis.succeeded]
    days = f"{since:%Y%m%d}", f"{until:%Y%m%d}"
    slugs = [checked_analysis(analysis.slug) for analysis in reversed(found) if days[0] <= analysis.age[0] <= days[1]]
    if not slugs:
        raise AnalysisRefused(f"{address} has no successful analysis from {since} to {until}.")
    LOGGER.info("%d analyses of %s from %s to %s: %s.", len(slugs), address, since, until, ", ".join(slugs))
    return slugs
