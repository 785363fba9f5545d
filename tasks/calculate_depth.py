"""Step 3: how deep the export can go within the row limit."""

import logging
from datetime import timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext

from tasks.artifacts.depth_table import show_depth_plan
from tasks.artifacts.progress import Step, show
from tasks.botify.client import BotifyClient
from tasks.botify.counts import plan_depth
from tasks.exports.cache_key import cache_key
from tasks.exports.depth import DepthPlan
from tasks.exports.project_address import ProjectAddress
from tasks.exports.settings import Settings

LOGGER = logging.getLogger("botify_export")


async def calculate_depth(address: ProjectAddress, analysis: str, max_rows: int, max_depth: int | None) -> DepthPlan:
    """Count the URLs per depth and choose the deepest that fits. Raises DepthRefused, RowsDiffer.

    The plan is shown here, outside the task: a run whose plan is cached has a page as well.
    """
    plan = await count_depth(address, analysis, max_rows, max_depth)
    await show_depth_plan(plan, address, analysis)
    return plan


def _key(_: TaskRunContext, asked: dict[str, Any]) -> str:
    address = asked["address"]
    where = (Settings.load().api_url, address.org, address.project, asked["analysis"])
    return cache_key("calculate-depth", 1, *where, asked["max_rows"], asked["max_depth"])


# A finished analysis does not change; a day is far longer than any run that is being resumed.
@task(
    name="calculate-depth",
    cache_policy=CacheKeyFnPolicy(cache_key_fn=_key),
    cache_expiration=timedelta(days=1),
    result_serializer="json",
)
async def count_depth(address: ProjectAddress, analysis: str, max_rows: int, max_depth: int | None) -> DepthPlan:
    """Do so without showing it."""
    show(Step.DEPTH, f"Counting the URLs of {analysis} by depth")
    async with BotifyClient(Settings.load()) as client:
        return await plan_depth(client, address, analysis, max_rows=max_rows, max_depth=max_depth)
