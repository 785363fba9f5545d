"""What the automations missed: runs whose process is gone, and runs that stopped without an end.

The server tells its automations of an event as it happens. What happens while it is killed and started again, or while
an automation is changed, they never hear of; the runs and their events are still there to be read.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventResourceFilter
from prefect.events.schemas.automations import Automation, EventTrigger
from prefect.states import AwaitingRetry, Crashed

from flows.deployment_file import read_yaml
from tasks.artifacts.run_page import TAG
from tasks.watch_runs import STOPPED

WITH_A_PROCESS: Final = ("Pending", "Submitting", "InfrastructurePending", "Running")
# What stopped longer ago, somebody has seen to, or nobody misses.
LOOK_BACK: Final = timedelta(days=1)
NEWEST: Final = FlowRunSort.EXPECTED_START_TIME_DESC
# The server answers with no more runs than this at once.
PAGE: Final = 200


async def take_up_runs(client: PrefectClient) -> AsyncIterator[FlowRun]:
    """Begin again what stopped within the last day, and yield each; a worker takes it from there.

    An automation that is switched off is not made up for, and how long a run may be silent is said by the one for it.
    """
    gone, go_on = await _switched_on(client)
    if gone and isinstance(gone.trigger, EventTrigger):
        for run in await _runs(client, WITH_A_PROCESS):
            if await _silent_for(client, run) > gone.trigger.within:
                await client.set_flow_run_state(run.id, Crashed(message="Its process is gone."))
    if go_on:
        for run in await _runs(client, STOPPED):
            if run.deployment_id and _in_this_state_for(run) < LOOK_BACK:
                await client.set_flow_run_state(run.id, AwaitingRetry(message="It goes on where it stopped."))
                yield run


async def stopped_runs_go_on() -> bool:
    """Whether there is an automation on the server that begins again what stopped, and is not switched off."""
    async with get_client() as client:
        _, go_on = await _switched_on(client)
    return go_on is not None


async def _switched_on(client: PrefectClient) -> list[Automation | None]:
    """Return our automations, in the order of their file; None for one that is switched off, or not there."""
    names = [written["name"] for written in read_yaml("automations.yaml")["automations"]]
    found = [await client.read_automations_by_name(name) for name in names]
    return [there[0] if there and there[0].enabled else None for there in found]


async def _runs(client: PrefectClient, names: Sequence[str]) -> list[FlowRun]:
    """Return our runs that are in one of these states, however many others there are."""
    state = FlowRunFilterState(name=FlowRunFilterStateName(any_=list(names)))
    ours = FlowRunFilter(state=state, tags=FlowRunFilterTags(all_=[TAG]))
    found: list[FlowRun] = []
    while page := await client.read_flow_runs(flow_run_filter=ours, sort=NEWEST, limit=PAGE, offset=len(found)):
        found += page
    return found


async def _silent_for(client: PrefectClient, run: FlowRun) -> timedelta:
    """Return how long ago the run was last heard of: a change of its state, or a beat of its process."""
    events = EventFilter(resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]))
    heard = (await client.read_events(events, limit=1)).events
    return min([_in_this_state_for(run), *(datetime.now(UTC) - event.occurred for event in heard)])


def _in_this_state_for(run: FlowRun) -> timedelta:
    assert run.state
    return datetime.now(UTC) - run.state.timestamp
