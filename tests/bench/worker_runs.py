"""The same runs of a deployment with one process worker, and with two."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployments.sandbox import Analysis, Behaviour, Sandbox, serving
from tests.bench.prefect_servers import Server, databases, prefect_server
from tests.bench.rounds import say
from tests.bench.waiting_run import ANALYSIS, ORG, REAL
from tests.cluster.machine import Machine
from tests.cluster.services import UNFINISHED
from tests.flows.processes import QUICK_WORKER, run, wait_until
from tests.served import Served

RUNS: Final = 8
LIMIT: Final = 4
"""The runs that a worker has under way at once: that of `tests.cluster.machine.WORKER`."""
JOB_SECONDS: Final = (0, 30)
"""How long Botify takes for each job."""
WORKERS: Final = (1, 2)
_SHARE: Final = 5  # percent of the real crawl
_LONGEST: Final = 300.0  # seconds


@dataclass(frozen=True)
class WorkerRun:
    """All runs, from the moment in which they were asked for until the last one had ended."""

    job_seconds: int
    workers: int
    completed: int
    wall: float


def worker_runs(folder: Path) -> tuple[str, list[WorkerRun]]:
    """Ask for the same number of runs each time, of other exports; also name the server's database."""
    database = databases()[-1]
    with prefect_server(folder / "workers", database) as server:
        return database, [
            _worker_run(folder / f"workers-{workers}-{seconds}", server, seconds, workers)
            for seconds in JOB_SECONDS
            for workers in WORKERS
        ]


def _worker_run(folder: Path, server: Server, job_seconds: int, workers: int) -> WorkerRun:
    folder.mkdir()
    sandbox = Sandbox(Behaviour(mirrors=RUNS, job_seconds=job_seconds))
    for project in sandbox.projects:
        sandbox.publish(project, Analysis(ANALYSIS, _SHARE))
    with serving(sandbox) as addresses:
        known = server.environment | Served(sandbox, addresses).environment | {"BOTIFY_DATA_DIR": str(folder / "data")}
        assert run(known, "botify-export", "set-up").returncode == 0
        with _working(folder, server, known | QUICK_WORKER, workers):
            before, began = _runs(server, ["COMPLETED"]), time.monotonic()
            _ask(server)
            wait_until(lambda: not _runs(server, UNFINISHED), _LONGEST)
            wall = time.monotonic() - began
            completed = _runs(server, ["COMPLETED"]) - before
    say(f"{workers} workers, jobs of {job_seconds} s: {RUNS} runs in {wall:.1f} s")
    return WorkerRun(job_seconds, workers, completed, wall)


@contextmanager
def _working(folder: Path, server: Server, environment: dict[str, str], workers: int) -> Iterator[None]:
    """Have so many workers, which the server knows to be there, until the end of the block."""
    with ExitStack() as stack:
        there = _workers(server)
        for number in range(workers):
            machine = Machine(f"{number}", folder / f"{number}", environment, network=[])
            stack.callback(machine.cut_the_power)
            machine.start_worker()
        wait_until(lambda: _workers(server) == there + workers)
        yield


def _workers(server: Server) -> int:
    return len(server.api.post("/work_pools/botify-export/workers/filter", json={}).raise_for_status().json())


def _ask(server: Server) -> None:
    """Ask for all runs, as somebody would on Prefect's pages."""
    deployment = server.api.get("/deployments/name/export-crawl/on-demand").raise_for_status().json()["id"]
    for number in range(1, RUNS + 1):
        asked = {"project_url": f"{ORG}/{number}.{REAL}", "max_rows": 1000}
        body = {"parameters": asked, "state": {"type": "SCHEDULED"}}
        server.api.post(f"/deployments/{deployment}/create_flow_run", json=body).raise_for_status()


def _runs(server: Server, states: list[str]) -> int:
    asked = {"flow_runs": {"state": {"type": {"any_": states}}}}
    return int(server.api.post("/flow_runs/count", json=asked).raise_for_status().json())
