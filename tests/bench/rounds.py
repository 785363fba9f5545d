"""Runs of many variants in turn, each in a fresh process, so that what disturbs the machine disturbs all of them."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tests.bench.task import Measured, Task

ROOT: Final = Path(__file__).parents[2]
DISTURBED: Final = 0.1
"""The share of the machine that others may take during a run."""
_ATTEMPTS: Final = 2
_LONG: Final = 1_000_000  # rows; with more, a run is long enough to have its share of every disturbance
_LONGEST_WAIT: Final = 3.0  # seconds
_ENOUGH: Final = 90.0  # seconds that one variant may take in all before it is run no more; three runs it gets


@dataclass(frozen=True)
class Result:
    """All runs of one variant."""

    runs: tuple[Measured, ...]

    def median(self, figure: Callable[[Measured], float]) -> float:
        return statistics.median(map(figure, self.runs))

    @property
    def wall(self) -> float:
        return self.median(lambda run: run.wall)

    @property
    def cpu(self) -> float:
        return self.median(lambda run: run.cpu)

    @property
    def imports(self) -> float:
        return self.median(lambda run: run.imports)

    @property
    def peak(self) -> float:
        return self.median(lambda run: run.peak)

    @property
    def range(self) -> tuple[float, float]:
        """The fastest and the slowest."""
        walls = [run.wall for run in self.runs]
        return min(walls), max(walls)


def rounds(task: Task, timed: Sequence[str], others: Sequence[str], runs: int) -> dict[str, Result]:
    """Run each variant once in every round; a slow one in fewer rounds, but never fewer than three (or `runs`).

    A run of those `timed` that other processes disturbed is made again, once, and the less disturbed one counts; of
    the others only the CPU matters.
    """
    measured: dict[str, list[Measured]] = {variant: [] for variant in (*timed, *others)}
    for number in range(runs):
        for variant, done in measured.items():
            if number < 3 or sum(run.wall for run in done) < _ENOUGH:
                attempts = _ATTEMPTS if variant in timed and task.rows <= _LONG else 1
                done.append(_least_disturbed(replace(task, variant=variant), attempts))
    return {variant: Result(tuple(done)) for variant, done in measured.items()}


def _least_disturbed(task: Task, attempts: int) -> Measured:
    made: list[tuple[float, Measured]] = []
    while len(made) < attempts and not (made and made[-1][0] < DISTURBED):
        if attempts > 1:
            _wait_for_calm()
        disturbance, run = _run_once(task)
        made.append((disturbance, run))
        figures = f"{run.wall:.2f} s, {run.peak / 1e6:.0f} MB"
        say(f"{task.rows:,} rows, {task.variant}: {figures}, others took {disturbance:.0%} of the machine")
    return min(made, key=lambda attempt: attempt[0])[1]


def _run_once(task: Task) -> tuple[float, Measured]:
    """Run a variant in a process of its own, in an empty folder; also the share of the machine that others took."""
    shutil.rmtree(task.folder, ignore_errors=True)
    Path(task.folder).mkdir()
    before, own = _machine(), _children()
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.child", json.dumps(asdict(task))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    busy, total = _since(before)
    shutil.rmtree(task.folder)
    return max(0.0, busy - (_children() - own)) / total, Measured(**json.loads(answer.stdout))


def say(line: str) -> None:
    """Tell how far the bench is."""
    print(line, file=sys.stderr, flush=True)


def _wait_for_calm() -> None:
    give_up = time.monotonic() + _LONGEST_WAIT
    share = 1.0
    while share > DISTURBED and time.monotonic() < give_up:
        before = _machine()
        time.sleep(0.3)
        busy, total = _since(before)
        share = busy / total


def _since(before: tuple[float, float]) -> tuple[float, float]:
    """The time that all cores were busy, and all their time."""
    busy, total = _machine()
    return busy - before[0], max(total - before[1], 0.01)


def _machine() -> tuple[float, float]:
    cores = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()[1:9]
    seconds = [int(jiffies) / os.sysconf("SC_CLK_TCK") for jiffies in cores]
    return sum(seconds) - seconds[3] - seconds[4], sum(seconds)  # without idle and waiting for the disk


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
