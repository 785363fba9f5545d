"""Many exports that wait at once in one process: what they take, and how late each learns that its job is DONE."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from deployments.sandbox import TOKEN, Analysis, Behaviour, Route, Sandbox, most_in_one_second, serving
from tests.bench.footprint import Footprint
from tests.bench.prefect_servers import Server, databases, prefect_server
from tests.bench.rounds import ROOT, say
from tests.bench.waiting_run import ALL_WAIT, ANALYSIS, KNOWN, READY, Kind, Waiting

WINDOW: Final = 60.0
"""Seconds in which all wait and nothing else happens."""
SPREAD: Final = 60.0
"""Seconds over which the jobs then become DONE, evenly."""
SHARE: Final = 5  # percent of the real crawl
_LONG: Final = 36_000.0  # seconds that a job takes unless it is told to be done


@dataclass(frozen=True)
class Waited:
    """What so many waiting exports took. Delays are in seconds, from DONE at Botify until the process knew it."""

    waiting: Waiting
    began: Footprint
    """Imported, and nothing begun."""
    waits: Footprint
    """After the window."""
    cpu_a_minute: float
    requests_a_second: float
    most_in_one_second: int
    delays: tuple[float, ...]

    @property
    def median_delay(self) -> float:
        return median(self.delays)


def waits(folder: Path, cases: Sequence[Waiting]) -> tuple[str, list[Waited]]:
    """Measure all cases side by side, each in a process and with a Botify of its own; also name the database."""
    database = databases()[-1]
    with prefect_server(folder / "waiting", database) as server, ThreadPoolExecutor(len(cases)) as together:
        folders = (folder / f"waiting-{number}" for number in range(len(cases)))
        return database, list(together.map(lambda at, case: _waited(at, server, case), folders, cases))


def _waited(folder: Path, server: Server, waiting: Waiting) -> Waited:
    folder.mkdir()
    sandbox = Sandbox(Behaviour(mirrors=waiting.projects, job_seconds=_LONG))
    for project in sandbox.projects:
        sandbox.publish(project, Analysis(ANALYSIS, SHARE))
    with serving(sandbox) as addresses:
        if waiting.kind is Kind.TASK:
            _make_jobs(addresses.api_url, waiting)
        known = {
            "BOTIFY_API_URL": addresses.api_url,
            "BOTIFY_API_TOKEN": TOKEN,
            "BOTIFY_DATA_DIR": str(folder / "data"),
        }
        quiet = {"PREFECT_LOGGING_LEVEL": "CRITICAL"}
        with _child(waiting, server.environment | known | quiet, folder / "log") as child:
            return _observed(waiting, sandbox, child)


def _make_jobs(api: str, waiting: Waiting) -> None:
    """Make a job for each that waits, in their order: the number of a job tells whose it is."""
    # Kept open, a connection to the sandbox waits 40 ms for each answer after the first.
    headers = {"Authorization": f"Token {TOKEN}", "Connection": "close"}
    with httpx.Client(base_url=api, headers=headers, timeout=60) as client:
        for number in range(waiting.exports):
            body = {"job_type": "export", "payload": waiting.request(number, api).payload()}
            client.post("/jobs", json=body).raise_for_status()


@dataclass(frozen=True)
class _Child:
    process: "subprocess.Popen[str]"
    log: Path

    def until(self, word: str) -> str:
        """Return the rest of the next line that begins so."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(word):
                return line.removeprefix(word)
        raise RuntimeError(f"The waiting process ended:\n{self.log.read_text(errors='replace')[-2000:]}")

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def footprint(self) -> Footprint:
        return Footprint.of(self.process.pid)


@contextmanager
def _child(waiting: Waiting, environment: dict[str, str], log: Path) -> Iterator[_Child]:
    command = [sys.executable, "-m", "tests.bench.waiting_run", json.dumps(asdict(waiting))]
    with (
        log.open("w") as out,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        ) as process,
    ):
        try:
            yield _Child(process, log)
        finally:
            process.kill()


def _observed(waiting: Waiting, sandbox: Sandbox, child: _Child) -> Waited:
    child.until(READY)
    made, began = len(sandbox.requests), child.footprint()
    child.go_on()
    child.until(ALL_WAIT)
    say(f"{waiting} wait")
    before, seen_before = child.footprint(), len(sandbox.requests)
    time.sleep(WINDOW)
    after, seen = child.footprint(), len(sandbox.requests)
    took = after.at - before.at
    done = _done_in_turn(sandbox)
    known = json.loads(child.until(KNOWN))
    delays = tuple(known[job] - moment for job, moment in done.items())
    say(f"{waiting}: noticed after {median(delays):.1f} s, at the latest after {max(delays):.1f} s")
    return Waited(
        waiting=waiting,
        began=began,
        waits=after,
        cpu_a_minute=(after.cpu - before.cpu) / took * 60,
        requests_a_second=(seen - seen_before) / took,
        most_in_one_second=most_in_one_second(
            each.at for each in sandbox.requests[made:] if each.route is not Route.DOWNLOAD
        ),
        delays=delays,
    )


def _done_in_turn(sandbox: Sandbox) -> dict[str, float]:
    """Let the jobs become DONE one after another; return the moment of each, by the clock of all processes."""
    begin, jobs = time.monotonic(), sandbox.jobs
    moments = {}
    for number, job in enumerate(jobs):
        moments[str(job.number)] = begin + SPREAD * number / len(jobs)
        job.born = moments[str(job.number)] - _LONG
    return moments
