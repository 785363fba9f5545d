"""The plan of a whole-site export as a table on the run's page."""

from prefect.artifacts import acreate_table_artifact

from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.exports.project_address import ProjectAddress
from tasks.exports.slices import SlicePlan, slice_rows


async def show_slice_plan(plan: SlicePlan, address: ProjectAddress) -> None:
    """Publish the plan: a row per slice."""
    key = artifact_key("slice-plan", address.org, address.project)
    await guarded(acreate_table_artifact(slice_rows(plan), key=key, description=plan.in_words()), "The slice plan")
