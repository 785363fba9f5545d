"""A machine of the cluster: a home and a network of its own, a worker, and what may happen to it."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.services import BIN, ROOT, process

WORKER = ("prefect", "worker", "start", "--pool", "botify-export", "--limit", "4")


class Machine:
    """Whatever runs with this HOME runs on this machine."""

    def __init__(self, name: str, home: Path, environment: dict[str, str], network: list[str]) -> None:
        self.name = name
        self._home = home
        own = {"HOME": home, "PREFECT_HOME": home / "prefect", "TMPDIR": home / "tmp", "BOTIFY_WORK_DIR": home / "work"}
        self._environment = environment | {key: str(path) for key, path in own.items()}
        self._network = network
        (home / "tmp").mkdir(parents=True)
        self._worker: subprocess.Popen[bytes] | None = None

    def start_worker(self) -> None:
        """Start it as an init system would: in the home folder, and again whenever it is gone."""
        with (self._home / "worker.log").open("ab") as log:
            command = [*self._network, str(BIN / WORKER[0]), *WORKER[1:]]
            self._worker = subprocess.Popen(command, env=self._environment, cwd=self._home, stdout=log, stderr=log)

    @property
    def has_worker(self) -> bool:
        return self._worker is not None and self._worker.poll() is None

    def kill_worker(self) -> None:
        """The runs that it started go on."""
        assert self._worker
        self._worker.kill()
        self._worker.wait()

    def kill_one_run(self, chance: random.Random) -> bool:
        """Kill the process of one run; return whether there was one."""
        runs = [pid for pid in self._processes() if b"prefect.engine" in _file(pid, "cmdline")]
        if runs:
            _kill(chance.choice(runs))
        return bool(runs)

    def cut_the_power(self) -> None:
        """Everything on it is gone at once."""
        while processes := self._processes():
            for pid in processes:
                _kill(pid)
            if self._worker:
                self._worker.wait()

    def _processes(self) -> list[int]:
        home = f"HOME={self._home}".encode()
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and home in _file(int(entry.name), "environ").split(b"\0")
        ]


def _file(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone meanwhile
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def machines(names: list[str], folder: Path, environment: dict[str, str], ports: list[int]) -> Iterator[list[Machine]]:
    """Machines that find the services at these ports of loopback; at the end, everything on them is killed."""
    with ExitStack() as stack:
        built = []
        for name in names:
            network = stack.enter_context(_network(folder / f"{name}.network", ports))
            built.append(Machine(name, folder / name, environment, network))
        try:
            yield built
        finally:
            for machine in built:
                machine.cut_the_power()


@contextmanager
def _network(folder: Path, ports: list[int]) -> Iterator[list[str]]:
    """Yield what a command is begun with to run in a network of its own; nothing where this user may make none."""
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode:
        yield []
        return
    folder.mkdir()
    relay = [sys.executable, "-m", "tests.cluster.relay"]
    ends = [str(folder), *map(str, ports)]
    with (
        process([*relay, "outside", *ends], ROOT, os.environ, ready="ready"),
        process(["unshare", "--net", *relay, "inside", *ends], ROOT, os.environ, ready="ready") as inside,
    ):
        yield ["nsenter", "--net", "--target", str(inside.pid)]
