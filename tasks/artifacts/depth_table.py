"""The depth plan on the run's page: a table, and a picture of it."""

import asyncio

from prefect.artifacts import acreate_table_artifact

from tasks.artifacts.depth_picture import draw_depth_plan
from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.exports.depth import DepthPlan, depth_rows
from tasks.exports.project_address import ProjectAddress


async def show_depth_plan(plan: DepthPlan, address: ProjectAddress, analysis: str) -> None:
    """Publish the plan: a row per depth, and one for the URLs without a depth."""
    key = artifact_key("depth-plan", address.org, address.project)
    table = acreate_table_artifact(depth_rows(plan), key=key, description=f"{analysis}: {plan.in_words()}")
    await guarded(asyncio.gather(table, draw_depth_plan(plan, address, analysis)), "The depth plan")
