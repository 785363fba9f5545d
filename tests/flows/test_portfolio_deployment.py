"""A portfolio whose projects are exported by whoever takes the runs of a deployment."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import State
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun
from prefect.events.schemas.automations import AutomationCore
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Late, Running

from flows.deployment_file import read_yaml
from flows.export_crawl import export_crawl
from flows.portfolio_exports import Asked, by_deployment
from tasks import watch_runs
from tasks.artifacts import portfolio_table
from tasks.artifacts.run_labels import read_run
from tasks.exports.errors import SettingRefused
from tasks.exports.portfolio import PortfolioProject
from tasks.exports.summary import A_BUG, OneOfMany
from tests.flows.portfolio_runs import (
    COSTS,
    NEWEST,
    PATIENCE,
    artifacts_of,
    ended,
    projects,
    result_of,
    run_with,
    table_of,
    tried_again,
)
from tests.served import Serve

pytestmark = pytest.mark.anyio

UNFORESEEN = "Flow run encountered an exception: ZeroDivisionError: division by zero"


class Deployed:
    """A deployment that no worker serves: the test takes its runs, and ends each as it likes."""

    def __init__(self, client: PrefectClient, name: str, deployment: UUID) -> None:
        self.name = name
        self._client = client
        self._deployment = deployment

    async def runs(self, number: int) -> dict[str, FlowRun]:
        """The newest run of each project, once there are so many runs."""
        of_it = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self._deployment]))
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self._client.read_flow_runs(flow_run_filter=of_it)
                if len(found) >= number:
                    in_order = sorted(found, key=lambda run: str(run.created))
                    return {str(run.parameters["project_url"]).split("/")[1][0]: run for run in in_order}
                await asyncio.sleep(0.05)

    async def export(self, run: FlowRun) -> None:
        """Do what a worker's process does."""
        running: Any = run_flow(export_crawl, flow_run=run, return_type="state")
        await running

    async def put(self, run: FlowRun, state: State[Any]) -> None:
        await self._client.set_flow_run_state(run.id, state)

    async def end(self, run: FlowRun, state: State[Any] | None) -> None:
        """Put the run into this state, or delete it."""
        if state is None:
            await self._client.delete_flow_run(run.id)
        else:
            await self.put(run, Running())
            await self.put(run, state)

    async def state_of(self, run: FlowRun) -> str:
        return str((await self._client.read_flow_run(run.id)).state_name)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look ten times a second."""
    monkeypatch.setattr(watch_runs, "FIRST", 0.1)
    monkeypatch.setattr(watch_runs, "LONGEST", 0.1)


@pytest.fixture
async def deployed(request: pytest.FixtureRequest) -> AsyncIterator[Deployed]:
    async with get_client() as client:
        flow = await client.create_flow(export_crawl)
        deployment = await client.create_deployment(flow, request.node.name[:60], enforce_parameter_schema=False)
        yield Deployed(client, f"export-crawl/{request.node.name[:60]}", deployment)


@pytest.fixture
async def going_on() -> AsyncIterator[UUID]:
    """The automation that begins unfinished runs again, as far as its name: here it reacts to nothing."""
    _, written = read_yaml("automations.yaml")["automations"]
    written["trigger"]["expect"] = ["nothing"]
    async with get_client() as client:
        automation = await client.create_automation(AutomationCore.model_validate(written))
        yield automation
        await client.delete_automation(automation)


async def test_each_run_of_the_deployment_is_told_for_what_it_is(serve: Serve, deployed: Deployed) -> None:
    """What was delivered, with its rows and credits; and each end that was none, with what to do about it."""
    serve(mirrors=6)
    asked = projects(1, 2, 3, 4, 5, 6)
    exporting = asyncio.create_task(ended(asked, run_as="deployment", deployment=deployed.name, at_once=6))
    runs = await deployed.runs(6)
    await deployed.export(runs["1"])
    ends: dict[str, State[Any] | None] = {
        "2": Cancelled(message="Somebody cancelled it."),
        "3": Crashed(message="Its process is gone."),
        "4": Failed(message=UNFORESEEN),
        "5": None,
        "6": Failed(name="GivenUp", message="It began too often."),
    }
    for number, end in ends.items():
        await deployed.end(runs[number], end)
    state, run = await exporting
    assert str(state.message).startswith("1 of 6 projects are exported, for 494 credits; 1 failed; 4 not finished. ")
    assert str(state.message).endswith(f"sandbox/4.www.boost.org: {UNFORESEEN}")
    rows = await table_of(run.id)
    assert (rows[0]["Analysis"], rows[0]["URLs"], rows[0]["Credits"]) == (NEWEST, "494", "494")
    assert f"/sandbox/1.www.boost.org/{NEWEST}/depth-2-" in rows[0]["Where, or why not"]
    go_on = "Run the same command again: it goes on where this one stopped."
    assert [row["Where, or why not"].removesuffix(go_on) for row in rows[1:]] == [
        "Somebody cancelled it. ",
        "Its process is gone. ",
        f"{UNFORESEEN} {A_BUG}",
        "The run was deleted from the Prefect server. ",
        "It began too often. ",
    ]
    summary = str((await artifacts_of(run.id))["portfolio-summary"].data)
    assert f"/runs/flow-run/{runs['2'].id})" in summary


async def test_a_run_that_begins_again_has_not_ended(
    serve: Serve, deployed: Deployed, going_on: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an automation sees to it, what stopped is waited for; not for ever, and not where it is switched off."""
    served = serve(mirrors=3)
    terms = {"run_as": "deployment", "deployment": deployed.name}
    exporting = asyncio.create_task(ended(projects(1, 2, 3), **terms))
    runs = await deployed.runs(3)
    await deployed.end(runs["1"], Crashed())
    await deployed.end(runs["2"], Failed(name="NotFinished", message="The job lasts."))
    await deployed.end(runs["3"], Cancelled())
    await run_with(lambda rows: {row["Status"] for row in rows} == {"not finished"})
    await deployed.put(runs["1"], AwaitingRetry())
    await deployed.export(runs["1"])
    await run_with(lambda rows: [row["Status"] for row in rows] == ["completed", "not finished", "not finished"])
    assert not exporting.done()
    monkeypatch.setattr(watch_runs, "BEGINS_AGAIN_WITHIN", 0)
    state, _ = await exporting
    assert str(state.message).startswith("1 of 3 projects are exported, for 494 credits; 2 not finished. ")
    assert len(served.sandbox.jobs) == 1
    monkeypatch.setattr(watch_runs, "BEGINS_AGAIN_WITHIN", 3600)
    async with get_client() as client:
        await client.pause_automation(going_on)
    exporting = asyncio.create_task(ended(projects(2), **terms))
    await deployed.end((await deployed.runs(4))["2"], Crashed())
    async with asyncio.timeout(PATIENCE):
        await exporting


async def test_that_no_worker_takes_a_run_is_told(
    serve: Serve, deployed: Deployed, caplog: pytest.LogCaptureFixture
) -> None:
    """In the table, until one does; and once in the log."""
    serve(mirrors=1)
    exporting = asyncio.create_task(ended(projects(1), run_as="deployment", deployment=deployed.name))
    (run,) = (await deployed.runs(1)).values()
    await deployed.put(run, Late())
    page = await run_with(lambda rows: rows[0]["Where, or why not"].startswith("No worker has taken its run yet"))
    await deployed.put(run, Running())
    assert await run_with(lambda rows: (rows[0]["Status"], rows[0]["Where, or why not"]) == ("running", "")) == page
    await deployed.end(run, Cancelled())
    await exporting
    assert sum("sandbox/1.www.boost.org: scheduled. No worker" in record.message for record in caplog.records) == 1


async def test_a_server_that_is_away_when_a_run_should_begin_is_no_bug() -> None:
    """The project is not finished: the same portfolio goes on."""
    exports = [OneOfMany(project="sandbox/www.boost.org")]
    asked = Asked(0, PortfolioProject(url="sandbox/www.boost.org"), {}, datetime.now(UTC))
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        await by_deployment("export-crawl/on-demand", watch_runs.RunWatch(get_client(), go_on=False))(exports, asked)
    assert (exports[0].status, exports[0].exit_code) == ("not finished", 4)
    assert exports[0].says.startswith("The Prefect server did not take the run")


async def test_a_run_that_is_tried_again_adopts_the_runs_that_it_began(serve: Serve, deployed: Deployed) -> None:
    """One that ended well is not made again, one that goes on is waited for; only what ended badly begins anew."""
    served = serve(mirrors=3)
    terms = {"run_as": "deployment", "deployment": deployed.name}
    exporting = asyncio.create_task(ended(projects(1, 2, 3), **terms))
    first = await deployed.runs(3)
    await deployed.export(first["1"])
    await deployed.end(first["2"], Failed(name="NotFinished", message="The job lasts."))
    await deployed.end(first["3"], Cancelled())
    _, stopped = await exporting
    assert stopped.state_name == "NotFinished"
    await deployed.end(first["2"], AwaitingRetry())
    going_on = asyncio.create_task(tried_again(stopped))
    second = await deployed.runs(4)
    assert [second[number].id == first[number].id for number in "123"] == [True, True, False]
    await asyncio.gather(deployed.export(second["2"]), deployed.export(second["3"]))
    state, _ = await going_on
    assert state.message == "3 of 3 projects are exported, for 1,482 credits"
    assert len(served.sandbox.jobs) == 3


@pytest.mark.parametrize(
    ("state", "status", "exit_code"),
    [
        (Failed(message=UNFORESEEN), "failed", 1),
        (Failed(message="Botify answered 403. Ask the project's owner."), "failed", 3),
        (Failed(name="GivenUp", message="Too often."), "not finished", 4),
        (Crashed(message="Its process is gone."), "not finished", 4),
        (Completed(name="Skipped", message="It was exported."), "skipped", 0),
    ],
)
def test_what_an_earlier_attempt_left_on_a_run_is_not_its_end(state: State[Any], status: str, exit_code: int) -> None:
    """Where the last attempt could leave nothing, its state says how it ended."""
    left = {"botify-export.status": "completed", "botify-export.says": "/old", "botify-export.project": "acme/b"}
    read = read_run(OneOfMany(project="acme/a"), FlowRun(flow_id=uuid4(), labels=left, state=state))
    assert (read.project, read.status.value, read.says) == ("acme/a", status, state.message)
    assert read.exit_code == exit_code


async def test_a_portfolio_that_is_cancelled_cancels_the_runs_that_it_waits_for(
    serve: Serve, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduled for their times, they would begin without it; what it has not begun, it never begins."""
    monkeypatch.setattr(portfolio_table, "UPDATE_EVERY", 0.05)
    serve(mirrors=3)
    terms = {"run_as": "deployment", "deployment": deployed.name, "group": "waits", "at_once": 2, "spread_minutes": 60}
    exporting = asyncio.create_task(ended(projects(1, 2, 3, group="waits"), **terms))
    waiting = ["scheduled", "scheduled", "waiting"]
    await run_with(lambda rows: [row["Status"] for row in rows] == waiting, "portfolio-waits")
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    runs = await deployed.runs(2)
    assert {await deployed.state_of(run) for run in runs.values()} == {"Cancelled"}
    assert set(runs) == {"1", "2"}
    first, second = [runs[number].expected_start_time for number in "12"]
    assert first
    assert second
    assert second - first == timedelta(minutes=20)


async def test_a_budget_is_counted_here_and_kept_by_the_run(serve: Serve, deployed: Deployed) -> None:
    """Each run is asked for what was counted, and for no more than it costs; what does not fit has no run."""
    served = serve(mirrors=2)
    terms = {"run_as": "deployment", "deployment": deployed.name, "max_credits": COSTS}
    exporting = asyncio.create_task(ended(projects(1, 2), **terms, credentials="", only_new=True))
    runs = await deployed.runs(1)
    await deployed.export(runs["1"])
    state, _ = await exporting
    assert state.message == (
        "1 of 2 projects are exported, for 494 credits; max_credits stopped sandbox/2.www.boost.org"
    )
    asked = runs["1"].parameters
    assert {name: asked[name] for name in ("analysis", "max_credits", "max_rows", "only_new")} == {
        "analysis": NEWEST,
        "max_credits": COSTS,
        "max_rows": 1000,
        "only_new": True,
    }
    assert len(served.sandbox.jobs) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("export-crawl/nowhere", "This Prefect server has no deployment 'export-crawl/nowhere'."),
        ("nowhere", "'nowhere' is no deployment of export-crawl."),
        ("backfill/on-demand", "'backfill/on-demand' is no deployment of export-crawl."),
    ],
)
async def test_a_deployment_that_cannot_do_it_is_refused(serve: Serve, name: str, sentence: str) -> None:
    """Before anything is asked of anybody."""
    served = serve()
    state, _ = await ended(projects(1), run_as="deployment", deployment=name)
    assert str(state.message).startswith(sentence)
    with pytest.raises(SettingRefused):
        await result_of(state)
    assert served.sandbox.requests == ()
