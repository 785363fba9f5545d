"""Runs of the real command that can be killed at any boundary."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from tests.flows.conftest import prefect_api
from tests.served import BOOST_URL, Served, serve

__all__ = ["prefect_api", "serve"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """A run that is over; a killed one has the exit code -9."""

    code: int
    out: str
    err: str
    boundaries: list[str]

    @property
    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer


class Runs:
    """Starts runs of the command in children of one warm process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._pids: Queue[int] = Queue()
        self._codes: dict[int, Queue[int]] = {}
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self,
        folder: Path,
        served: Served,
        *options: str,
        kill_at: str | None = None,
        program: str = "command",
        file_size_limit: int | None = None,
    ) -> "Running":
        """Begin `botify-export run` in this folder, or only its submission; several may run at once."""
        self._number += 1
        arguments = ["run", BOOST_URL, "--max-rows", "1000", "--json", *options]
        asked: dict[str, Any] = {"arguments": arguments, "environment": served.environment, "folder": str(folder)}
        assert self._process.stdin is not None
        asked |= {"kill_at": kill_at, "number": self._number, "program": program}
        asked |= {"file_size_limit": file_size_limit}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        pid = self._pids.get(timeout=60)
        return Running(self._codes[pid], folder, self._number, pid)

    def run(self, folder: Path, served: Served, *options: str, **restrictions: Any) -> Ended:
        return self.start(folder, served, *options, **restrictions).wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            codes = self._codes.setdefault(said["pid"], Queue())
            if "code" in said:
                codes.put(said["code"])
            else:
                self._pids.put(said["pid"])


@dataclass(frozen=True)
class Running:
    """A run that may still go on."""

    codes: "Queue[int]"
    folder: Path
    number: int
    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Ended:
        code = self.codes.get(timeout=120)
        texts = {
            name: (self.folder / f"{self.number}.{name}").read_text() for name in ("stdout", "stderr", "boundaries")
        }
        return Ended(code, texts["stdout"], texts["stderr"], texts["boundaries"].splitlines())


@pytest.fixture(scope="session")
def runs(prefect_api: str) -> Iterator[Runs]:
    """The warm process, with a Prefect server to report to."""
    quiet = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}  # as the command sets it before it loads Prefect
    environment = os.environ | quiet | {"PREFECT_API_URL": prefect_api, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.kill.forkserver"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Runs(process)
        process.kill()
