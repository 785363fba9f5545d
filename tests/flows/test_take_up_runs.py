"""Runs that no automation saw, as the server was away: their process is gone, or they stopped without an end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Failed, Running

from flows import take_up_runs as taking_up
from flows.take_up_runs import take_up_runs
from tasks.artifacts.run_page import TAG
from tests.flows.processes import PrefectServer, prefect_server, run, wait_until

pytestmark = pytest.mark.anyio

GONE, GO_ON = "botify-export, runs whose process is gone", "botify-export, unfinished runs go on"
BEAT = "prefect.flow-run.heartbeat"
# Prefect admits no automation that waits for less.
SILENCE = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server of our own, as all that is unfinished is taken up; its automations do nothing by themselves."""
    idle = {"PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false"}
    with prefect_server(tmp_path_factory.mktemp("server"), **idle) as served:
        assert run(served.environment, "botify-export", "set-up").returncode == 0
        yield served


@pytest.fixture
async def client(server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """A client of the server, on which runs may be silent for ten seconds."""
    known = server.environment
    settings = {PREFECT_API_URL: known["PREFECT_API_URL"], PREFECT_API_AUTH_STRING: known["PREFECT_API_AUTH_STRING"]}
    with temporary_settings(settings):
        async with get_client() as client:
            (gone,) = await client.read_automations_by_name(GONE)
            changed = gone.model_dump(mode="json", exclude={"id", "owner_resource"})
            changed["trigger"]["within"] = SILENCE
            (await client._client.put(f"/automations/{gone.id}", json=changed)).raise_for_status()
            yield client


async def switch(client: PrefectClient, name: str, *, on: bool) -> None:
    (found,) = await client.read_automations_by_name(name)
    await (client.resume_automation(found.id) if on else client.pause_automation(found.id))


async def make(client: PrefectClient, state: State[Any], **facts: Any) -> UUID:
    """A run of our deployment in this state, unless told otherwise."""
    deployment = await client.read_deployment_by_name("export-crawl/on-demand")
    asked = {"flow_id": str(deployment.flow_id), "deployment_id": str(deployment.id), "tags": [TAG]} | facts
    made = await client._client.post("/flow_runs/", json=asked)
    run_id = UUID(made.raise_for_status().json()["id"])
    await client.set_flow_run_state(run_id, state, force=True)
    return run_id


async def beat(client: PrefectClient, run_id: UUID) -> None:
    """What the process of a run that lives tells the server."""
    told = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": BEAT,
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run_id}"},
    }
    (await client._client.post("/events", json=[told])).raise_for_status()


def heard(server: PrefectServer, run_id: UUID) -> bool:
    """Whether the server has taken in the beat: it does so with a delay."""
    asked = {"filter": {"resource": {"id": [f"prefect.flow-run.{run_id}"]}, "event": {"name": [BEAT]}}}
    return bool(server.api.post("/events/filter", json=asked).json()["events"])


async def taken_up(client: PrefectClient) -> set[UUID]:
    return {each.id async for each in take_up_runs(client)}


async def states(client: PrefectClient, *runs: UUID) -> list[str]:
    return [str((await client.read_flow_run(each)).state_name) for each in runs]


async def test_what_stopped_is_begun_again(client: PrefectClient) -> None:
    """Only what goes on by itself: neither a failure that somebody has to see to, nor a run that no worker can make."""
    stopped = [await make(client, Crashed()), await make(client, Failed(name="NotFinished"))]
    others = [
        await make(client, Failed()),
        await make(client, Completed()),
        await make(client, Crashed(), tags=["another's"]),
        await make(client, Crashed(), deployment_id=None),
        await make(client, Running()),
    ]
    before = await states(client, *others)
    await switch(client, GO_ON, on=False)
    assert await taken_up(client) == set()
    await switch(client, GO_ON, on=True)
    assert await taken_up(client) == {*stopped}
    assert await states(client, *stopped) == ["AwaitingRetry", "AwaitingRetry"]
    assert await states(client, *others) == before
    assert await taken_up(client) == set()


async def test_what_stopped_long_ago_is_left_alone(client: PrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has seen to it, or nobody misses it."""
    old = await make(client, Crashed())
    with monkeypatch.context() as later:
        later.setattr(taking_up, "LOOK_BACK", timedelta(0))
        assert await taken_up(client) == set()
    assert await taken_up(client) == {old}


async def test_however_many_there_are_none_is_missed(client: PrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers with no more than a page of them, and others' runs stand among ours."""
    monkeypatch.setattr(taking_up, "PAGE", 1)
    ours = {await make(client, Crashed()), await make(client, Crashed())}
    await make(client, Crashed(), tags=["another's"])
    assert await taken_up(client) == ours


async def test_a_run_whose_process_is_gone_is_told_so_and_begun_again(
    server: PrefectServer, client: PrefectClient
) -> None:
    """One that is silent for longer than the automation on the server allows, unless that was switched off."""
    silent, alive = await make(client, Running()), await make(client, Running())
    began = datetime.now(UTC)
    await switch(client, GONE, on=False)
    await asyncio.to_thread(wait_until, lambda: datetime.now(UTC) - began > timedelta(seconds=SILENCE))
    await beat(client, alive)
    await asyncio.to_thread(wait_until, lambda: heard(server, alive))
    assert not {silent, alive} & await taken_up(client)
    await switch(client, GONE, on=True)
    await switch(client, GO_ON, on=False)
    assert await taken_up(client) == set()
    assert await states(client, silent, alive) == ["Crashed", "Running"]
    await switch(client, GO_ON, on=True)
    assert silent in await taken_up(client)
    assert await states(client, silent, alive) == ["AwaitingRetry", "Running"]
