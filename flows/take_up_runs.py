"""Runs that stopped without an end are begun again, where the automations missed it.

The server tells its automations of a run that crashed as it happens: what happens while the server itself is killed and
started again, they never hear of.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry, Crashed

from tasks.artifacts.run_page import TAG

STOPPED: Final = ("Crashed", "NotFinished")
# On their way to a worker's process, which takes seconds.
STARTING: Final = ("Pending", "Submitting", "InfrastructurePending")
STARTS_WITHIN: Final = timedelta(minutes=10)
# What stopped longer ago, somebody has seen to, or nobody misses.
LOOK_BACK: Final = timedelta(days=1)
PAGE: Final = 200


async def take_up_runs(client: PrefectClient) -> AsyncIterator[FlowRun]:
    """Begin again what stopped within the last day, and yield each; a worker takes it from there."""
    for run in await _runs(client, STARTING):
        if STARTS_WITHIN < _silent_for(run) < LOOK_BACK:
            await client.set_flow_run_state(run.id, Crashed(message="Its worker was gone before it began."))
    for run in await _runs(client, STOPPED):
        if _silent_for(run) < LOOK_BACK:
            await client.set_flow_run_state(run.id, AwaitingRetry(message="It goes on where it stopped."))
            yield run


async def _runs(client: PrefectClient, names: Sequence[str]) -> list[FlowRun]:
    """Return the newest runs of deployments that are in one of these states."""
    return await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            deployment_id=FlowRunFilterDeploymentId(is_null_=False),
            state=FlowRunFilterState(name=FlowRunFilterStateName(any_=list(names))),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=PAGE,
    )


def _silent_for(run: FlowRun) -> timedelta:
    assert run.state
    return datetime.now(UTC) - run.state.timestamp
