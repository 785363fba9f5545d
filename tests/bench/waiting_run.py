"""A fresh process in which so many exports wait at once: `python -m tests.bench.waiting_run WAITING`, WAITING as JSON.

Prints a line when everything is imported and goes on when it may read one; prints another when every job was looked at
once, and at last the moments (`time.monotonic()`, which all processes of a machine share) at which each was known to be
DONE.
"""

import asyncio
import json
import logging
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prefect import flow

from flows.portfolio import export_portfolio
from tasks.artifacts.run_logs import logs_on_the_run
from tasks.exports.columns import Column
from tasks.exports.filters import ToDepth
from tasks.exports.portfolio import PortfolioProject
from tasks.exports.request import Expectation, ExportRequest
from tasks.exports.settings import Settings
from tasks.poll_job import poll_job
from tasks.share_rate_limit import rate_limit_shared

ORG: Final = "sandbox"
REAL: Final = "www.boost.org"
ANALYSIS: Final = "20261122-2"
FIRST_JOB: Final = 1001
READY, ALL_WAIT, KNOWN = "ready", "all wait", "known "


class Kind(StrEnum):
    """What waits: the task alone, its job made before; or a whole export as a run within a portfolio's run."""

    TASK = "the task that waits, alone"
    EXPORT = "whole exports"


@dataclass(frozen=True)
class Waiting:
    """So many waiting exports, spread evenly over so many projects."""

    kind: Kind
    exports: int
    projects: int

    def __str__(self) -> str:
        return f"{self.kind} x {self.exports:,} in {self.projects:,} projects"

    def project(self, number: int) -> str:
        """The project of the export with this number, from 0."""
        return f"{number % self.projects + 1}.{REAL}"

    def request(self, number: int, api: str) -> ExportRequest:
        """A request that differs from all others."""
        return ExportRequest(
            api=api,
            org=ORG,
            project=self.project(number),
            analysis=ANALYSIS,
            columns=(Column(name="url", field="url"),),
            filter=ToDepth(max_depth=0),
            max_rows=1000 + number,
            expected=Expectation(rows=1, urls_total=3811),
        )


class _Seen(logging.Handler):
    """What the waits write to the log: it is written in the moment in which a job's new word is known."""

    def __init__(self, exports: int) -> None:
        super().__init__(logging.INFO)
        self.known: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._exports = exports

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg != "Job %s is %s." or not isinstance(record.args, tuple):
            return
        job_id, word = map(str, record.args)
        if word == "DONE":
            self.known[job_id] = time.monotonic()
        elif job_id not in self._waiting:
            self._waiting.add(job_id)
            if len(self._waiting) == self._exports:
                print(ALL_WAIT, flush=True)


@flow(name="waits")
async def _tasks(exports: int, projects: int) -> None:
    waiting, settings = Waiting(Kind.TASK, exports, projects), Settings.load()
    with rate_limit_shared(), logs_on_the_run():
        polls = [
            poll_job(waiting.request(number, settings.api_url), str(FIRST_JOB + number), settings.places)
            for number in range(exports)
        ]
        await asyncio.gather(*polls)


async def _exports(waiting: Waiting) -> None:
    projects = [
        PortfolioProject(url=f"{ORG}/{waiting.project(number)}", max_rows=1000 + number)
        for number in range(waiting.exports)
    ]
    summary = await export_portfolio(projects=projects, at_once=waiting.exports)
    assert all(export.status.is_there for export in summary.exports), summary


def main(waiting: Waiting) -> None:
    """Wait."""
    seen = _Seen(waiting.exports)
    logging.getLogger("botify_export").addHandler(seen)
    print(READY, flush=True)
    sys.stdin.readline()
    asyncio.run(_exports(waiting) if waiting.kind is Kind.EXPORT else _tasks(waiting.exports, waiting.projects))
    print(KNOWN + json.dumps(seen.known), flush=True)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    main(Waiting(Kind(told["kind"]), told["exports"], told["projects"]))
