"""Step 2 for a person at Prefect's page: the run waits, and shows the project's analyses in its form."""

import asyncio
import logging
from typing import Any, Final, Literal

from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from pydantic import create_model

from tasks.artifacts.progress import Step, show
from tasks.botify.analyses import Analysis, list_analyses
from tasks.botify.client import BotifyClient
from tasks.delivery.manifest import manifests_below
from tasks.exports.errors import AnalysisRefused
from tasks.exports.places import Places
from tasks.exports.project_address import ProjectAddress, checked_analysis
from tasks.exports.settings import Settings

LOGGER = logging.getLogger("botify_export")

PATIENCE: Final = 3600
GRACE: Final = 300
LOOK_EVERY: Final = 2
MOST: Final = 50


# No task: Prefect pauses flows.
async def ask_analysis(address: ProjectAddress, places: Places) -> str:
    """Return the slug that a person chose. Raises AnalysisRefused when there is none, or nobody chose."""
    show(Step.SELECT, f"Waiting for somebody to choose an analysis of {address}")
    async with BotifyClient(Settings.load()) as client:
        found = [analysis for analysis in await list_analyses(client, address) if analysis.succeeded][:MOST]
    if not found:
        raise AnalysisRefused(f"{address} has no successful analysis yet.")
    slugs = tuple(checked_analysis(analysis.slug) for analysis in found)
    offered: Any = Literal[slugs]  # known only now, and yet a drop-down in the form
    choice: Any = create_model("Analysis", __base__=RunInput, analysis=(offered, slugs[0]))
    question = choice.with_initial_data(description=_table(address, found, places), analysis=slugs[0])
    LOGGER.info("Which analysis of %s? Resume the run to choose; it waits for an hour.", address)
    try:
        # The server's own patience is longer, or it would end the run in its words.
        async with asyncio.timeout(PATIENCE):
            answer: Any = await apause_flow_run(
                wait_for_input=question, timeout=PATIENCE + GRACE, poll_interval=LOOK_EVERY
            )
    except TimeoutError:
        raise AnalysisRefused(
            "Nobody chose an analysis within an hour.", next_step="Start the run again, or name the analysis in it."
        ) from None
    return str(answer.analysis)


def _table(address: ProjectAddress, found: list[Analysis], places: Places) -> str:
    rows = [f"| {a.slug} | {_day(a)} | {_urls(a)} | {_exported(address, a, places)} |" for a in found]
    return "\n".join([f"## Which analysis of `{address}`?", "", "| Analysis | Date | URLs | Exported |", *_RULE, *rows])


_RULE: Final = ("| --- | --- | ---: | --- |",)


def _day(analysis: Analysis) -> str:
    day = analysis.date_finished or analysis.date_launched
    return f"{day:%Y-%m-%d}" if day else ""


def _urls(analysis: Analysis) -> str:
    return "" if analysis.urls_done is None else f"{analysis.urls_done:,}"


def _exported(address: ProjectAddress, analysis: Analysis, places: Places) -> str:
    folder = places.analysis(address.org, address.project, analysis.slug)
    return "yes" if manifests_below(folder, "*") else ""
