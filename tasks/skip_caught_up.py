"""Step 0 of a scheduled run: of many that waited while no worker was there, the first does the work of all."""

import logging
from typing import Any, Final

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext

LOGGER = logging.getLogger("botify_export")
# The name of a state of its own: a run that ended so has looked at nothing, and makes no other run needless.
CAUGHT_UP: Final = "CaughtUp"


# No task: it would be the only one of a run that does nothing.
async def skip_caught_up() -> str | None:
    """Return in a sentence which run made this one needless; None when it is for this one to do the work.

    A run is needless if another of the same deployment, with the same parameters, began after this one was due and has
    finished. Prefect itself starts every late run: one after another, where the worker has a limit.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    # A second attempt was asked for by somebody.
    if run is None or not run.auto_scheduled or run.run_count > 1:
        return None
    try:
        began_later = await _finished_since(run)
    except httpx.HTTPError as error:
        LOGGER.warning("Whether another run has caught up is not known (%r): this one does the work.", error)
        return None
    for other in began_later:
        if other.parameters == run.parameters:
            return f"{other.name} began after this run was due, and has done its work"
    return None


async def _finished_since(run: FlowRun) -> list[FlowRun]:
    asked: dict[str, Any] = {
        "deployment_id": FlowRunFilterDeploymentId(any_=[run.deployment_id]),
        "start_time": FlowRunFilterStartTime(after_=run.expected_start_time),
        "state": FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.COMPLETED]), name=FlowRunFilterStateName(not_any_=[CAUGHT_UP])
        ),
    }
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter(**asked), sort=FlowRunSort.START_TIME_DESC)
