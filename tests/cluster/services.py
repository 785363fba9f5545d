"""What the machines of the cluster share: PostgreSQL, the Prefect server on it, a bucket, and Botify."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
from s3fs import S3FileSystem

from deployments.sandbox import TOKEN
from tests.cluster.ports import free_ports
from tests.cluster.postgres import postgres
from tests.flows.processes import BIN, ROOT, wait_until

__all__ = ["BIN", "ROOT", "Services", "process", "serving_all"]

PASSWORD: Final = "soak:between-us"
LOST_ONE_IN: Final = 50
COMPLETED: Final = "Completed"
UNFINISHED: Final = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
PAGE: Final = 200


@contextmanager
def process(
    command: list[str], folder: Path, environment: Mapping[str, str], *, ready: str
) -> Iterator["subprocess.Popen[str]"]:
    """A process until the end of the block, once it has printed a line that begins so."""
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout
            assert any(line.startswith(ready) for line in started.stdout), f"{command} ended"
            yield started
        finally:
            started.kill()


@dataclass
class PrefectServer:
    """Started, killed and started again at the same address."""

    url: str
    folder: Path
    database: str
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        home = {"PREFECT_HOME": str(self.folder), "PREFECT_API_DATABASE_CONNECTION_URL": self.database}
        settings = {
            "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        }
        command = [str(BIN / "prefect"), "server", "start", "--no-ui", "--port", str(httpx.URL(self.url).port)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=os.environ | home | settings, stdout=log, stderr=log)
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", auth=("soak", "between-us")).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True)
class Services:
    """Where everything is, and the environment of whoever uses it."""

    server: PrefectServer
    sandbox: httpx.Client
    prefect: httpx.Client
    ports: list[int]
    environment: dict[str, str] = field(repr=False)

    def created_jobs(self) -> list[dict[str, Any]]:
        """Every job that Botify ever created."""
        return list(self._asked("/sandbox/jobs")["jobs"])

    def requests(self) -> list[dict[str, Any]]:
        """Every request that Botify saw."""
        return list(self._asked("/sandbox/requests"))

    def _asked(self, path: str) -> Any:
        return self.sandbox.get(path).raise_for_status().json()

    def states_of_runs(self) -> Counter[str]:
        """How many runs of deployments are in each state, by its name."""
        return Counter(run["state_name"] for run in self._runs({"parent_task_run_id": {"is_null_": True}}))

    def unfinished_runs(self) -> list[str]:
        """The names of all runs, within others or not, that have yet to end."""
        return [run["name"] for run in self._runs({"state": {"type": {"any_": UNFINISHED}}})]

    def _runs(self, which: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for offset in count(step=PAGE):
            asked = {"flow_runs": which, "sort": "ID_DESC", "limit": PAGE, "offset": offset}
            page = self.prefect.post("/flow_runs/filter", json=asked).raise_for_status().json()
            yield from page
            if len(page) < PAGE:
                return

    def make_bucket(self) -> None:
        """Make the bucket of the data folder."""
        S3FileSystem(
            key="key",
            secret="secret",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
        ).mkdir(self.environment["BOTIFY_DATA_DIR"].split("/")[2])


@contextmanager
def serving_all(folder: Path, behaviour: list[str]) -> Iterator[Services]:
    """Serve until the end of the block; the sandbox behaves so."""
    prefect, store, api, files = ports = free_ports(4)
    url, sandbox = f"http://127.0.0.1:{prefect}/api", f"http://127.0.0.1:{api}"
    python = [sys.executable, "-m"]
    with ExitStack() as stack:
        run = stack.enter_context
        server = PrefectServer(url, folder / "server", run(postgres()))
        server.folder.mkdir()
        stack.callback(server.kill)
        server.start()
        run(
            process(
                [*python, "tests.cluster.object_store", str(store), str(LOST_ONE_IN)], ROOT, os.environ, ready="ready"
            )
        )
        serve = ["deployments.sandbox", "--api-port", str(api), "--files-port", str(files), "--behaviour", *behaviour]
        run(process([*python, *serve], ROOT, os.environ, ready="Projects"))
        yield Services(
            server,
            run(httpx.Client(base_url=sandbox, timeout=60)),
            run(httpx.Client(base_url=url, auth=("soak", "between-us"), timeout=60)),
            ports,
            os.environ | _client(url, f"{sandbox}/v1", f"http://127.0.0.1:{store}"),
        )


def _client(prefect: str, botify: str, store: str) -> dict[str, str]:
    return {
        "PREFECT_API_URL": prefect,
        "PREFECT_API_AUTH_STRING": PASSWORD,
        "BOTIFY_API_URL": botify,
        "BOTIFY_API_TOKEN": TOKEN,
        "BOTIFY_DATA_DIR": "s3://soak/exports",
        "AWS_ENDPOINT_URL": store,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
    }
