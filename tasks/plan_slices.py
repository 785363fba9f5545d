"""Step 3 of an export of the whole site: which jobs it takes."""

from datetime import timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext

from tasks.artifacts.progress import Step, show
from tasks.artifacts.slice_table import show_slice_plan
from tasks.botify.client import BotifyClient
from tasks.botify.site_plan import plan_site
from tasks.exports.cache_key import cache_key
from tasks.exports.project_address import ProjectAddress
from tasks.exports.settings import Settings
from tasks.exports.slices import SlicePlan


async def plan_slices(address: ProjectAddress, analysis: str, max_rows: int) -> SlicePlan:
    """Slice the analysis by Botify's own counts. Raises DepthRefused, RowsDiffer.

    The plan is shown here, outside the task: a run whose plan is cached has a page as well.
    """
    plan = await count_slices(address, analysis, max_rows)
    await show_slice_plan(plan, address, analysis)
    return plan


def _key(_: TaskRunContext, asked: dict[str, Any]) -> str:
    address = asked["address"]
    where = (Settings.load().api_url, address.org, address.project, asked["analysis"])
    return cache_key("plan-slices", 2, *where, asked["max_rows"])


# A finished analysis does not change; a day is far longer than any run that is being resumed.
@task(
    name="plan-slices",
    cache_policy=CacheKeyFnPolicy(cache_key_fn=_key),
    cache_expiration=timedelta(days=1),
    result_serializer="json",
)
async def count_slices(address: ProjectAddress, analysis: str, max_rows: int) -> SlicePlan:
    """Do so without showing it."""
    show(Step.DEPTH, f"Slicing {analysis} into jobs of at most {max_rows:,} rows")
    async with BotifyClient(Settings.load()) as client:
        return await plan_site(client, address, analysis, max_rows=max_rows)
