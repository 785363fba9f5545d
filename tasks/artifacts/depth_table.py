"""The depth plan as a table on the run's page."""

from prefect.artifacts import acreate_table_artifact

from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.exports.depth import DepthPlan, depth_rows
from tasks.exports.project_address import ProjectAddress


async def show_depth_plan(plan: DepthPlan, address: ProjectAddress) -> None:
    """Publish the plan: a row per depth, and one for the URLs without a depth."""
    key = artifact_key("depth-plan", address.org, address.project)
    await guarded(acreate_table_artifact(depth_rows(plan), key=key, description=plan.in_words()), "The depth plan")
