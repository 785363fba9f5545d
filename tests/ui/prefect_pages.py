"""A real Prefect server with its pages, the deployments served, the sandbox, and a browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from deployments.sandbox import TOKEN, Addresses, Behaviour, Sandbox, serving
from tests.served import QUICK, Served

BIN = Path(sys.executable).parent
# What the pages looked like, kept as CI's output.
SHOTS = Path(os.environ.get("SCREENSHOTS", "screenshots")).absolute()
# Without these a browser looks for its maker's hosts at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Pages:
    """Prefect's pages as a person uses them."""

    def __init__(self, page: Page, server: str) -> None:
        self.page = page
        self.server = server

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = httpx.post(f"{self.server}/api{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def open_form(self) -> None:
        """Open the form that starts an export."""
        self.page.goto(f"{self.server}/deployments/deployment/{self._on_demand('export-crawl')}/run")

    def start(self, flow: str, parameters: dict[str, Any]) -> str:
        """Start a run of the flow, open its page, and return its id."""
        path = f"/deployments/{self._on_demand(flow)}/create_flow_run"
        run = self.post(path, {"parameters": parameters, "state": {"type": "SCHEDULED"}})["id"]
        self.page.goto(f"{self.server}/runs/flow-run/{run}")
        return str(run)

    def _on_demand(self, flow: str) -> str:
        answer = httpx.get(f"{self.server}/api/deployments/name/{flow}/on-demand")
        return str(answer.raise_for_status().json()["id"])

    def open_artifact(self, key: str) -> None:
        """Open the newest artifact with this key."""
        newest = self.post(
            "/artifacts/filter", {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
        )
        self.page.goto(f"{self.server}/artifacts/artifact/{newest[0]['id']}")

    def fill(self, parameter: str, text: str) -> None:
        """Type into the field of a parameter."""
        label = self.page.locator("label", has_text=parameter).first
        label.locator("xpath=following::*[self::textarea or self::input][1]").fill(text)

    def submit(self) -> str:
        """Start the run, open its page, and return its id."""
        known = self._runs()
        button = self.page.get_by_role("button", name="Submit")
        for tries in range(5):  # a page that is still being built lets a click pass
            if button.is_visible():
                button.click()
            for _ in range(40):
                if new := self._runs() - known:
                    break
                self.page.wait_for_timeout(250)
            if new:
                break
            self.shoot(f"not-submitted-{tries}")
        run = new.pop()
        self.page.goto(f"{self.server}/runs/flow-run/{run}")
        return run

    def _runs(self) -> set[str]:
        return {run["id"] for run in self.post("/flow_runs/filter", {})}

    def see(self, text: str, seconds: float = 60) -> None:
        """Wait until the page shows this text; a page that does not refresh itself is opened again."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.page.get_by_text(text).first.wait_for(timeout=5_000)
            except Exception:
                if time.monotonic() > deadline:
                    self.shoot("not-seen")
                    raise
                self.page.reload()
            else:
                return

    def wait_for_state(self, run: str, state: str, seconds: float = 60) -> None:
        """Wait until the server says that the run is in a state of this type."""
        deadline = time.monotonic() + seconds
        while (found := self._state(run)) != state:
            if time.monotonic() > deadline:
                self.shoot(f"not-{state.lower()}")
                raise TimeoutError(f"the run is {found}, not {state}")
            time.sleep(0.2)

    def _state(self, run: str) -> str:
        found = self.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return str(found[0]["state_type"])

    def shoot(self, name: str) -> None:
        """Keep what the page looks like."""
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


@contextmanager
def process(environment: dict[str, str], folder: Path, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([str(BIN / command[0]), *command[1:]], env=environment, cwd=folder) as running:
        try:
            yield running
        finally:
            running.terminate()
            running.wait(60)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server with an empty database."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    home = tmp_path_factory.mktemp("prefect")
    own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    own |= {"PREFECT_SERVER_UI_API_URL": f"{address}/api", "PREFECT_API_URL": f"{address}/api"}
    with process(os.environ | own, home, "prefect", "server", "start", "--port", str(port)) as running:
        while not _answers(f"{address}/api/health"):
            assert running.poll() is None
            time.sleep(0.5)
        yield address


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def served(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The sandbox, whose jobs take three seconds, and `botify-export serve` beside it."""
    folder = tmp_path_factory.mktemp("exports")
    sandbox = Sandbox(Behaviour(job_seconds=3, null_depth_rows=20))
    with serving(sandbox) as addresses:
        environment = os.environ | _client_of(addresses) | {"PREFECT_API_URL": f"{server}/api", "DO_NOT_TRACK": "1"}
        with process(environment, folder, "botify-export", "serve") as running:
            while len(httpx.post(f"{server}/api/deployments/filter", json={}).json()) < 5:
                assert running.poll() is None
                time.sleep(0.5)
            yield Served(sandbox, addresses)


def _client_of(addresses: Addresses) -> dict[str, str]:
    polls = {"BOTIFY_POLL_SECONDS": "0.5", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    return QUICK | polls | {"BOTIFY_API_URL": addresses.api_url, "BOTIFY_API_TOKEN": TOKEN}


@pytest.fixture
def pages(server: str, served: Served) -> Iterator[Pages]:
    """A browser's window on the server."""
    browser = shutil.which("chromium")
    assert browser, "make test-ui installs Chromium"
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=browser, args=list(QUIET))
        yield Pages(window.new_page(viewport={"width": 1400, "height": 1100}), server)
        window.close()
