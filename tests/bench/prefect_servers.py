"""Prefect servers of the bench, on SQLite and on PostgreSQL, both on the same disk."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.bench.footprint import cpu_of_all, process_with
from tests.cluster.ports import free_ports
from tests.cluster.postgres import PROGRAMS, postgres
from tests.flows.processes import BIN, wait_until

SQLITE: Final = "SQLite"
POSTGRESQL: Final = "PostgreSQL"
NOT_INSTALLED: Final = (
    "PostgreSQL is not installed on this machine (`apt-get install postgresql`): everything ran on SQLite."
)


@dataclass(frozen=True)
class Server:
    """A server, its log, and the environment of its clients."""

    environment: dict[str, str]
    api: httpx.Client
    log: Path
    processes: tuple[int, ...]

    @property
    def cpu(self) -> float:
        """The CPU in seconds that it and its database have taken."""
        return sum(map(cpu_of_all, self.processes))


def databases() -> tuple[str, ...]:
    """Return those that this machine has, the best last."""
    return (SQLITE, POSTGRESQL) if PROGRAMS else (SQLITE,)


@contextmanager
def prefect_server(folder: Path, database: str) -> Iterator[Server]:
    """Serve on a new database until the end of the block; nothing of whoever runs this is known to it."""
    folder.mkdir()
    url = f"http://127.0.0.1:{free_ports(1)[0]}/api"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BOTIFY_", "PREFECT_"))}
    known = clean | {"PREFECT_HOME": str(folder), "PREFECT_API_URL": url, "DO_NOT_TRACK": "1"}
    with _database(folder, database) as (address, processes):
        own = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": address, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        with _serving(url, known | own, folder / "server.log") as (pid, api):
            yield Server(known, api, folder / "server.log", (pid, *processes))


@contextmanager
def _serving(url: str, environment: dict[str, str], log: Path) -> Iterator[tuple[int, httpx.Client]]:
    command = [str(BIN / "prefect"), "server", "start", "--no-ui", "--port", str(httpx.URL(url).port)]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=environment, stdout=out, stderr=out) as server,
        httpx.Client(base_url=url, timeout=120) as api,
    ):
        try:
            wait_until(lambda: server.poll() is not None or _answers(api))
            assert server.poll() is None, f"The Prefect server ended:\n{log.read_text(errors='replace')[-2000:]}"
            yield server.pid, api
        finally:
            server.kill()


@contextmanager
def _database(folder: Path, database: str) -> Iterator[tuple[str, list[int]]]:
    """Yield its address, and its process if it has one."""
    if database == SQLITE:
        yield f"sqlite+aiosqlite:///{folder}/prefect.db", []
    else:
        with postgres() as address:
            yield address, [process_with("-p", str(httpx.URL(address).port))]


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/ready").is_success
    except httpx.TransportError:
        return False
