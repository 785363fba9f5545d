"""The same load of whole exports, with the Prefect server on SQLite and on PostgreSQL."""

import csv
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployments.sandbox import Analysis, Behaviour, Sandbox, serving
from tests.bench.prefect_servers import Server, databases, prefect_server
from tests.bench.rounds import say
from tests.bench.waiting_run import ANALYSIS, ORG, REAL
from tests.flows.processes import BIN
from tests.served import Served

PROCESSES: Final = (2, 8)
"""How many portfolios are exported at once, each by a process."""
PROJECTS: Final = 6
"""Of each portfolio."""
AT_ONCE: Final = 3
_SHARE: Final = 5  # percent of the real crawl
LONGEST: Final = 150.0  # seconds for one load; what is not published by then counts as failed


@dataclass(frozen=True)
class ServerRun:
    """One load on one database. `locked` is how often the server's log says that its database was locked."""

    database: str
    processes: int
    exports: int
    completed: int
    wall: float
    server_cpu: float
    locked: int


def server_runs(folder: Path) -> list[ServerRun]:
    """Put every load on a new server on each database of this machine, one after another."""
    return [_server_run(folder / f"servers-{name}", name, number) for number in PROCESSES for name in databases()]


def _server_run(folder: Path, database: str, processes: int) -> ServerRun:
    folder = folder.with_name(f"{folder.name}-{processes}")
    sandbox = Sandbox(Behaviour(mirrors=processes * PROJECTS))
    for project in sandbox.projects:
        sandbox.publish(project, Analysis(ANALYSIS, _SHARE))
    with prefect_server(folder, database) as server, serving(sandbox) as addresses:
        before, began = server.cpu, time.monotonic()
        completed = _load(folder, server, Served(sandbox, addresses).environment, processes)
        wall = time.monotonic() - began
        say(f"{database}, {processes} processes: {completed} exports in {wall:.1f} s")
        locked = server.log.read_text(errors="replace").count("sqlite3.OperationalError: database is locked")
        return ServerRun(database, processes, processes * PROJECTS, completed, wall, server.cpu - before, locked)


def _load(folder: Path, server: Server, known: dict[str, str], processes: int) -> int:
    """Export so many portfolios at once; return how many exports were published."""
    deadline = time.monotonic() + LONGEST
    with ExitStack() as stack:
        began = [_portfolio(folder, number, server.environment | known) for number in range(processes)]
        for process in began:
            stack.callback(process.wait)
            stack.callback(process.kill)
        for process in began:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.0))
    return sum(1 for _ in folder.glob(f"*.data/{ORG}/*/*/*/manifest.json"))


def _portfolio(folder: Path, number: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    file = folder / f"{number}.csv"
    first = number * PROJECTS + 1
    _write(file, [f"{ORG}/{mirror}.{REAL}" for mirror in range(first, first + PROJECTS)])
    command = [BIN / "botify-export", "portfolio", file, "--at-once", str(AT_ONCE), "--output-dir"]
    with (folder / f"{number}.log").open("w") as log:
        return subprocess.Popen(
            [*map(str, command), str(folder / f"{number}.data")], cwd=folder, env=environment, stdout=log, stderr=log
        )


def _write(file: Path, urls: Sequence[str]) -> None:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([["url", "max_rows"], *([url, 1000] for url in urls)])
