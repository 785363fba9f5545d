"""The plan of a whole-site export on the run's page: a table, and a picture of it."""

import asyncio

from prefect.artifacts import acreate_table_artifact

from tasks.artifacts.depth_picture import draw_slice_plan
from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.exports.project_address import ProjectAddress
from tasks.exports.slices import SlicePlan, slice_rows


async def show_slice_plan(plan: SlicePlan, address: ProjectAddress, analysis: str) -> None:
    """Publish the plan: a row per slice."""
    key = artifact_key("slice-plan", address.org, address.project)
    table = acreate_table_artifact(slice_rows(plan), key=key, description=f"{analysis}: {plan.in_words()}")
    await guarded(asyncio.gather(table, draw_slice_plan(plan, address, analysis)), "The slice plan")
