"""A portfolio's run, however it ends, and what the Prefect server knows of it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry

from flows.portfolio import export_portfolio
from tasks.exports.summary import Summary

NEWEST = "20261122-2"
# What each of the sandbox's projects named `N.www.boost.org` costs, with `mirrors=N` and 1,000 rows at the most.
COSTS = 494
# Seconds for what should have happened long before, on a machine that is busy.
PATIENCE = 120


def projects(*numbers: int, **terms: Any) -> list[dict[str, Any]]:
    """The mirrors with these numbers, each asked the same."""
    return [{"url": f"sandbox/{number}.www.boost.org", "max_rows": 1000} | terms for number in numbers]


async def ended(asked: list[dict[str, Any]], **parameters: Any) -> tuple[State[Any], FlowRun]:
    """Export them, and return the run's last state and the run."""
    terms: dict[str, Any] = {"projects": asked, "output_dir": "data"}
    state: State[Any] = await export_portfolio(**(terms | parameters), return_state=True)
    return state, await read_run(state)


async def tried_again(run: FlowRun) -> tuple[State[Any], FlowRun]:
    """Begin the run again, as an automation and a worker do."""
    async with get_client() as client:
        await client.set_flow_run_state(run.id, AwaitingRetry())
        waiting = await client.read_flow_run(run.id)
    running: Any = run_flow(export_portfolio, flow_run=waiting, return_type="state")
    state: State[Any] = await running
    return state, await read_run(state)


async def summary_of(asked: list[dict[str, Any]], **parameters: Any) -> Summary:
    """Export them; all that is not there was not paid for."""
    state, _ = await ended(asked, **parameters)
    return await result_of(state)


async def result_of(state: State[Any]) -> Summary:
    summary: Summary = await state.aresult()
    return summary


async def read_run(state: State[Any]) -> FlowRun:
    assert state.state_details.flow_run_id
    async with get_client() as client:
        run: FlowRun = await client.read_flow_run(state.state_details.flow_run_id)
    return run


async def runs_within(run: FlowRun) -> list[FlowRun]:
    """The runs of its projects, in the order in which they began."""
    within = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id]))
    async with get_client() as client:
        found: list[FlowRun] = await client.read_flow_runs(flow_run_filter=within, sort=FlowRunSort.START_TIME_ASC)
    return found


async def artifacts_of(run: UUID) -> dict[str | None, Artifact]:
    """The run's own artifacts by their key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=of_run)
    assert len({artifact.key for artifact in found}) == len(found), "each is kept up to date in its place"
    return {artifact.key: artifact for artifact in found}


async def table_of(run: UUID, key: str = "portfolio") -> list[dict[str, str]]:
    """The rows of its table; none as long as there is no table."""
    found = (await artifacts_of(run)).get(key)
    rows: list[dict[str, str]] = json.loads(str(found.data)) if found else []
    return rows


async def run_with(holds: Callable[[list[dict[str, str]]], bool], key: str = "portfolio") -> UUID:
    """Wait until the newest table holds so; return its run."""
    newest = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    async with get_client() as client, asyncio.timeout(PATIENCE):
        while True:
            found = await client.read_artifacts(artifact_filter=newest, sort=ArtifactSort.CREATED_DESC, limit=1)
            if found and found[0].flow_run_id and holds(json.loads(str(found[0].data))):
                return found[0].flow_run_id
            await asyncio.sleep(0.05)
