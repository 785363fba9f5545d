"""Step 4, before anything is paid for: the fields are checked, and the request is complete."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts.progress import Step, show
from tasks.botify.client import BotifyClient
from tasks.botify.requests import build_request, build_site_request
from tasks.exports.depth import DepthPlan
from tasks.exports.project_address import ProjectAddress
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.site import SiteRequest


@task(name="choose-columns", cache_policy=NO_CACHE)
async def choose_columns(address: ProjectAddress, analysis: str, plan: DepthPlan, fields: list[str]) -> ExportRequest:
    """Check the fields against the analysis's own list and build the request. Raises FieldRefused."""
    show(Step.COLUMNS, "Checking the fields")
    async with BotifyClient(Settings.load()) as client:
        return await build_request(client, address, analysis, plan, fields)


@task(name="choose-columns-of-the-site", cache_policy=NO_CACHE)
async def choose_site_columns(address: ProjectAddress, analysis: str, max_rows: int, fields: list[str]) -> SiteRequest:
    """Check the fields and build the request of an export of the whole site. Raises FieldRefused."""
    show(Step.COLUMNS, "Checking the fields")
    async with BotifyClient(Settings.load()) as client:
        return await build_site_request(client, address, analysis, max_rows, fields)
