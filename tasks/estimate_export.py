"""What an export of a portfolio still costs, before anything is paid for."""

import asyncio

from pydantic import BaseModel, ConfigDict

from tasks.artifacts.progress import Step, show
from tasks.artifacts.task_results import task_results_in
from tasks.botify.analyses import select_analysis
from tasks.botify.client import BotifyClient
from tasks.botify.requests import build_request, build_site_request
from tasks.calculate_depth import count_depth
from tasks.exports.errors import CreditsExceeded
from tasks.exports.portfolio import PortfolioProject
from tasks.exports.settings import Settings, using
from tasks.exports.site import Coverage
from tasks.ledger.credits import still_to_pay
from tasks.ledger.ledger import Ledger
from tasks.ledger.sites import SiteLedger
from tasks.load_credentials import load_credentials
from tasks.plan_slices import count_slices


class Estimate(BaseModel):
    """The analysis that would be exported, and the credits that were not paid for it before."""

    model_config = ConfigDict(frozen=True)

    analysis: str
    credits: int


class Budget:
    """The credits of many exports together, given out in the order in which they are asked for."""

    def __init__(self, max_credits: int | None, output_dir: str, credentials: str) -> None:
        self._max_credits = max_credits
        self._left = max_credits or 0
        self._output_dir = output_dir
        self._credentials = credentials
        self._turn = asyncio.Lock()

    async def admit(self, project: PortfolioProject) -> Estimate | None:
        """Return what the project costs, which is its own from now on; None if nobody counts.

        Raises CreditsExceeded if less is left, and what stands in the way of the export, such as FieldRefused.
        """
        if self._max_credits is None:
            return None
        async with self._turn:  # whoever comes first is first: the list's order
            show(Step.PARSE, "Counting what it costs")
            with using(await load_credentials(project.credentials or self._credentials)):
                estimate = await estimate_export(project, Settings.load(self._output_dir or None))
            if estimate.credits > self._left:
                raise CreditsExceeded(
                    f"{estimate.analysis} would cost {estimate.credits:,} credits, and of max_credits "
                    f"{self._max_credits:,} only {self._left:,} are left.",
                    next_step="Raise max_credits and run the portfolio again: it goes on.",
                )
            self._left -= estimate.credits
            return estimate


# No task of its own: what takes long, the counting, is one, and its result serves the export as well.
async def estimate_export(project: PortfolioProject, settings: Settings) -> Estimate:
    """Select the analysis, count it, check the fields, and ask the ledger. Raises ExportError."""
    address = project.address
    with task_results_in(settings.places.task_results):
        async with BotifyClient(settings) as client:
            analysis = (await select_analysis(client, address, address.wanted(project.analysis))).slug
            to_pay = _of_site if project.coverage is Coverage.FULL else _to_depth
            return Estimate(analysis=analysis, credits=await to_pay(client, project, analysis))


async def _to_depth(client: BotifyClient, project: PortfolioProject, analysis: str) -> int:
    plan = await count_depth(project.address, analysis, project.max_rows, project.max_depth)
    request = await build_request(client, project.address, analysis, plan, project.fields)
    ledger = Ledger.in_folder(client.settings.places.data_dir)
    return await asyncio.to_thread(still_to_pay, ledger, request)


async def _of_site(client: BotifyClient, project: PortfolioProject, analysis: str) -> int:
    site = await build_site_request(client, project.address, analysis, project.max_rows, project.fields)
    sites = SiteLedger.in_folder(client.settings.places.data_dir)
    record = await sites.expected(site, lambda: count_slices(project.address, analysis, project.max_rows))
    return await asyncio.to_thread(sites.still_to_pay, record)
