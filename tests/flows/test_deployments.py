"""Started as a team starts it: deployed with Prefect's own tools, run by a worker or by `botify-export serve`."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tasks.delivery.manifest import problems
from tests.flows.folders import published
from tests.flows.processes import QUICK_WORKER, ROOT, deployments, prefect, running
from tests.served import Serve, Served

DEPLOYMENTS = {
    "export-crawl/on-demand": {},
    "export-crawl/each-new-crawl": {"project_url": "ORG/PROJECT", "only_new": True},
    "backfill/on-demand": {},
    "export-portfolio/on-demand": {},
    "export-portfolio/each-new-crawl": {
        "portfolio_file": "portfolio.csv",
        "run_as": "deployment",
        "only_new": True,
        "spread_minutes": 60,
    },
}


@pytest.fixture
def environment(serve: Serve, prefect_api: str, tmp_path: Path) -> tuple[Served, dict[str, str]]:
    """A sandbox, and what a worker of it has in its environment."""
    served = serve()
    own = {"PREFECT_API_URL": prefect_api, "BOTIFY_DATA_DIR": str(tmp_path / "data")}
    return served, os.environ | served.environment | own | QUICK_WORKER


@pytest.fixture
def api(prefect_api: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=prefect_api) as client:
        yield client


def test_prefect_deploys_all_and_a_worker_runs_them(
    environment: tuple[Served, dict[str, str]], api: httpx.Client, tmp_path: Path
) -> None:
    """`prefect deploy --all` from the checkout, then `prefect deployment run`, then files; the schedule sleeps."""
    served, known = environment
    assert prefect(known, "work-pool", "create", "botify-export", "--type", "process", "--overwrite").returncode == 0
    deployed = prefect(known, "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    assert deployed.returncode == 0, deployed.stderr
    found = deployments(api)
    assert {name: found[name]["parameters"] for name in DEPLOYMENTS} == DEPLOYMENTS
    assert [schedule["active"] for schedule in found["export-crawl/each-new-crawl"]["schedules"]] == [False]
    assert found["export-crawl/each-new-crawl"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    asked = ["-p", "project_url=sandbox/www.boost.org", "-p", "max_rows=1000", "--watch"]
    with running(known, tmp_path, "prefect", "worker", "start", "--pool", "botify-export"):
        for name in ("export-crawl/on-demand", "export-crawl/each-new-crawl"):
            done = prefect(known, "deployment", "run", name, *asked)
            assert done.returncode == 0, done.stdout + done.stderr
    assert len(served.sandbox.jobs) == 1
    assert len(published(tmp_path / "data")) == 3


def test_the_form_refuses_what_no_run_could_use(environment: tuple[Served, dict[str, str]], api: httpx.Client) -> None:
    """Limits, choices and types are the parameters' own; the schema explains each of them."""
    _, known = environment
    prefect(known, "work-pool", "create", "botify-export", "--type", "process", "--overwrite")
    prefect(known, "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    schema = deployments(api)["export-crawl/on-demand"]["parameter_openapi_schema"]
    assert all(parameter["description"] for parameter in schema["properties"].values())
    assert not any("token" in name for name in schema["properties"])
    assert schema["definitions"]["Coverage"]["enum"] == ["depth", "full"]
    for wrong in ("max_rows=0", "coverage=some", "max_credits=-1", "excel=perhaps"):
        refused = prefect(known, "deployment", "run", "export-crawl/on-demand", "-p", "project_url=a/b", "-p", wrong)
        assert refused.returncode == 1
        assert wrong.partition("=")[0] in refused.stdout + refused.stderr


def test_serve_serves_the_same_deployments(
    environment: tuple[Served, dict[str, str]], api: httpx.Client, tmp_path: Path
) -> None:
    """One process: a run that is asked for is made; with a project and a time, the schedule is awake."""
    served, known = environment
    command = (
        "botify-export",
        "serve",
        "sandbox/www.postgresql.org",
        "--cron",
        "0 6 1 1 *",
        "--timezone",
        "Europe/Paris",
    )
    with running(known, tmp_path, *command) as process:
        asked = ["-p", "project_url=sandbox/www.boost.org", "-p", "max_rows=1000", "--watch"]
        while prefect(known, "deployment", "inspect", "backfill/on-demand").returncode:
            assert process.poll() is None
        done = prefect(known, "deployment", "run", "export-crawl/on-demand", *asked)
        assert done.returncode == 0, done.stdout + done.stderr
        found = deployments(api)
        assert DEPLOYMENTS.keys() <= found.keys()
        assert found["export-portfolio/each-new-crawl"]["paused"]
        assert not found["export-crawl/each-new-crawl"]["paused"]
        (schedule,) = found["export-crawl/each-new-crawl"]["schedules"]
        assert schedule["active"]
        assert schedule["schedule"]["timezone"] == "Europe/Paris"
        assert found["export-crawl/each-new-crawl"]["parameters"]["project_url"] == "sandbox/www.postgresql.org"
    assert len(served.sandbox.jobs) == 1
    (manifest,) = (tmp_path / "data").glob("*/*/*/*/manifest.json")
    assert problems(manifest.parent) == []


@pytest.mark.parametrize("name", ["automations.yaml", "notifications.yaml"])
def test_a_server_takes_the_automations(
    environment: tuple[Served, dict[str, str]], api: httpx.Client, name: str
) -> None:
    """As the operations page says to create them; the server is other tests' too, so they are gone afterwards."""
    _, known = environment
    path = ROOT / "deployments" / name
    created = prefect(known, "automation", "create", "--from-file", str(path))
    assert created.returncode == 0, created.stdout + created.stderr
    there = {known["name"]: known["id"] for known in api.post("/automations/filter", json={}).json()}
    for automation in yaml.safe_load(path.read_text())["automations"]:
        api.delete(f"/automations/{there[automation['name']]}").raise_for_status()
