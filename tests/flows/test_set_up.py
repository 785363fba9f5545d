"""`botify-export set-up`: everything the server needs, once; what people change there afterwards is theirs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.flows.processes import ROOT, PrefectServer, deployments, prefect_server, run

WRITTEN = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
AUTOMATIONS = yaml.safe_load((ROOT / "deployments" / "automations.yaml").read_text())["automations"]
THINGS = len(WRITTEN) + len(AUTOMATIONS) + 3  # the pool, the account's limit, the block type
NEW_CRAWL = "export-crawl/each-new-crawl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server of our own, with a password, on which nothing is set up yet."""
    with prefect_server(tmp_path_factory.mktemp("server")) as served:
        yield served


def set_up(server: PrefectServer, *options: str, **environment: str) -> list[str]:
    """Run the command; return what became of each thing, one line each."""
    done = run(server.environment | environment, "botify-export", "set-up", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def everything(api: httpx.Client) -> dict[str, Any]:
    """All that the server holds of what we set up, to the last field."""
    lists = ("work_pools", "v2/concurrency_limits", "automations", "deployments", "block_schemas")
    held: dict[str, Any] = {name: api.post(f"/{name}/filter", json={}).raise_for_status().json() for name in lists}
    held["block type"] = api.get("/block_types/slug/botify-credentials").raise_for_status().json()
    # Minutes pass between two looks: what the server notes down by itself is not what we set up.
    for deployment in held["deployments"]:
        deployment.pop("status")
    return held


def test_the_second_run_changes_nothing(server: PrefectServer) -> None:
    """Whatever was there before: after the first run, not a field differs."""
    first = set_up(server)
    before = everything(server.api)
    assert len(first) == THINGS
    assert set_up(server) == [f"as it was{line[9:]}" for line in first]
    assert everything(server.api) == before


def test_what_people_changed_survives(server: PrefectServer) -> None:
    """A schedule, parameters and job variables changed by hand, a paused pool, an automation that was switched off."""
    set_up(server)
    api = server.api
    path = f"/deployments/{deployments(api)[NEW_CRAWL]['id']}"
    by_hand = {
        "parameters": {"project_url": "acme/shop", "only_new": True},
        "job_variables": {"working_dir": "/srv/exports", "env": {"BOTIFY_PARALLEL_JOBS": "1"}},
        "schedules": [{"schedule": {"cron": "17 4 * * 1", "timezone": "Europe/Paris"}, "active": True}],
    }
    api.patch(path, json=by_hand).raise_for_status()
    (automation,) = (a for a in api.post("/automations/filter", json={}).json() if a["name"] == AUTOMATIONS[0]["name"])
    api.patch("/work_pools/botify-export", json={"is_paused": True}).raise_for_status()
    api.patch(f"/automations/{automation['id']}", json={"enabled": False}).raise_for_status()
    before = everything(api)
    assert all(line.startswith("as it was") for line in set_up(server))
    assert everything(api) == before
    (schedule,) = deployments(api)[NEW_CRAWL]["schedules"]
    assert schedule["active"]


def test_what_is_ours_is_brought_up_to_date(server: PrefectServer) -> None:
    """As after an upgrade: the code's side of a deployment, an automation, the account's rate. Schedules stay."""
    set_up(server)
    api = server.api
    there = deployments(api)[NEW_CRAWL]
    schedule = {"schedule": {"cron": "17 4 * * 1", "timezone": "UTC"}, "active": True}
    old = {"entrypoint": "flows/old.py:old", "description": "old", "concurrency_limit": 7, "schedules": [schedule]}
    api.patch(f"/deployments/{there['id']}", json=old).raise_for_status()
    (automation,) = (a for a in api.post("/automations/filter", json={}).json() if a["name"] == AUTOMATIONS[0]["name"])
    api.put(f"/automations/{automation['id']}", json=AUTOMATIONS[0] | {"description": "old"}).raise_for_status()
    lines = set_up(server, BOTIFY_REQUESTS_PER_SECOND="2")
    changed = [line.split(maxsplit=1)[1] for line in lines if line.startswith("updated")]
    assert [line.split()[-1] for line in changed if "automation" not in line] == ["botify-api", NEW_CRAWL]
    assert len(changed) == 3
    now = deployments(api)[NEW_CRAWL]
    assert {name: now[name] for name in ("entrypoint", "description")} == {
        name: there[name] for name in ("entrypoint", "description")
    }
    assert now["global_concurrency_limit"]["limit"] == 1
    assert [kept["schedule"]["cron"] for kept in now["schedules"]] == ["17 4 * * 1"]
    assert len(set_up(server, BOTIFY_REQUESTS_PER_SECOND="5")) == THINGS


def test_the_pool_may_have_another_name(server: PrefectServer) -> None:
    """Deployments that are there already keep the pool that they have."""
    set_up(server)
    assert set_up(server, "--pool", "nightly")[0].split() == ["created", "work", "pool", "nightly"]
    assert {found["work_pool_name"] for found in deployments(server.api).values()} == {"botify-export"}


def test_without_the_password_it_says_what_is_missing(server: PrefectServer) -> None:
    """A server with authentication tells nobody anything."""
    stranger = server.environment | {"PREFECT_API_AUTH_STRING": "somebody:else"}
    refused = run(stranger, "botify-export", "set-up")
    assert refused.returncode == 4
    assert "PREFECT_API_AUTH_STRING" in refused.stderr


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    """Neither one that was named nor one at the local address: nothing is set up on a temporary server."""
    known = os.environ | {"PREFECT_HOME": str(tmp_path)}
    refused = run(known | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "botify-export", "set-up")
    assert (refused.returncode, "No Prefect server answers" in refused.stderr) == (4, True)
