"""What a team runs: Prefect's commands and ours, each in a process of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SHARED_MEMORY: Final = Path("/dev/shm")
ROOM: Final = 10**9
# A worker that looks once a second.
QUICK_WORKER = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}


def run(environment: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, from the checkout."""
    line = [str(BIN / command[0]), *command[1:]]
    return subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def prefect(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run(environment, "prefect", "--no-prompt", *arguments)


@contextmanager
def running(environment: dict[str, str], folder: Path, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that serves until it is stopped."""
    with subprocess.Popen([str(BIN / command[0]), *command[1:]], env=environment, cwd=folder, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def deployments(api: httpx.Client) -> dict[str, dict[str, Any]]:
    """Every deployment of the server, under its full name."""
    flows = {flow["id"]: flow["name"] for flow in api.post("/flows/filter", json={}).json()}
    return {
        f"{flows[found['flow_id']]}/{found['name']}": found for found in api.post("/deployments/filter", json={}).json()
    }


@dataclass(frozen=True)
class PrefectServer:
    """A server with authentication, what its clients have in their environment, and one of them."""

    environment: dict[str, str]
    api: httpx.Client


def folder_for_databases() -> str | None:
    """Where servers keep them: in memory where there is room, as on a busy disk SQLite is locked for minutes."""
    is_there = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > ROOM
    return str(SHARED_MEMORY) if is_there else None


@contextmanager
def prefect_server(home: Path, **settings: str) -> Iterator[PrefectServer]:
    """Serve with these settings, a database of its own and a password, until the test is over."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, password = f"http://127.0.0.1:{port}/api", "botify:between-us"
    known = os.environ | {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": password, "PREFECT_HOME": str(home)}
    own = {"PREFECT_SERVER_API_AUTH_STRING": password, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    start = ["prefect", "server", "start", "--port", str(port), "--no-ui"]
    with (
        TemporaryDirectory(prefix="botify-export-", dir=folder_for_databases()) as folder,
        running(known | own | _database(folder) | settings, home, *start) as process,
        httpx.Client(base_url=url, auth=("botify", "between-us"), timeout=120) as api,
    ):
        wait_until(lambda: process.poll() is not None or _answers(api))
        yield PrefectServer(known, api)


def _database(folder: str) -> dict[str, str]:
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db"}


def wait_until(holds: Any, seconds: float = 300) -> None:
    """Return when it holds, asking ten times a second."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/health").is_success
    except httpx.TransportError:
        return False
