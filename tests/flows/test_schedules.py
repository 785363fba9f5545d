"""Schedules that were missed: real late runs of Prefect's own scheduler, made up for once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.flows.processes import QUICK_WORKER, PrefectServer, deployments, prefect_server, run, running, wait_until
from tests.served import Serve

# The scheduler and the service that calls runs late look every second, instead of once in a minute.
QUICK_SERVER = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1",
}
MISSED = 3
TERMINAL = {"COMPLETED", "CANCELLED", "FAILED", "CRASHED"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrefectServer]:
    home = tmp_path / "prefect"
    home.mkdir()
    with prefect_server(home, **QUICK_SERVER) as served:
        yield served


def due(server: PrefectServer, deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """The deployment's runs whose time has come, in the order of their times."""
    asked = {
        "deployments": {"id": {"any_": [deployment["id"]]}},
        "flow_runs": {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    found: list[dict[str, Any]] = server.api.post("/flow_runs/filter", json=asked).raise_for_status().json()
    return found


def miss(server: PrefectServer, deployment: dict[str, Any], parameters: dict[str, Any]) -> list[str]:
    """Let the scheduler's times pass while no worker is there, then put the schedule to sleep; return the late runs."""
    path = f"/deployments/{deployment['id']}"
    schedule = {"schedule": {"interval": 2}, "active": True}
    server.api.patch(path, json={"parameters": parameters, "schedules": [schedule]}).raise_for_status()
    wait_until(lambda: sum(late["state_name"] == "Late" for late in due(server, deployment)) >= MISSED)
    (active,) = server.api.get(path).json()["schedules"]
    server.api.patch(f"{path}/schedules/{active['id']}", json={"active": False}).raise_for_status()
    return [run["id"] for run in due(server, deployment) if run["state_name"] == "Late"]


def test_a_schedule_that_was_missed_catches_up_once(server: PrefectServer, serve: Serve, tmp_path: Path) -> None:
    """Every run would pay for a job (`refresh`), and the worker takes one at a time: one job, one export."""
    served = serve()
    known = server.environment | served.environment | QUICK_WORKER | {"BOTIFY_DATA_DIR": str(tmp_path / "data")}
    assert run(known, "botify-export", "set-up").returncode == 0
    deployment = deployments(server.api)["export-crawl/each-new-crawl"]
    late = miss(server, deployment, {"project_url": "sandbox/www.boost.org", "max_rows": 1000, "refresh": True})
    assert len(late) >= MISSED

    def ended() -> dict[str, str]:
        runs = server.api.post("/flow_runs/filter", json={"flow_runs": {"id": {"any_": late}}}).json()
        return {run["id"]: run["state_name"] for run in runs if run["state_type"] in TERMINAL}

    with running(known, tmp_path, "prefect", "worker", "start", "--pool", "botify-export", "--limit", "1"):
        wait_until(lambda: ended().keys() == set(late))
    names = list(ended().values())
    assert names.count("Completed") == 1
    assert {"CaughtUp"} <= set(names) <= {"Completed", "CaughtUp", "Cancelled"}
    assert len(served.sandbox.jobs) == 1
