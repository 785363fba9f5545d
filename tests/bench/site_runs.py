"""What slicing a site costs: count queries and time against the number of slices."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from deployments.sandbox import Route, Sandbox
from flows.export_crawl import export_crawl
from tasks.exports.site import Coverage
from tests.bench.rounds import say

# Row limits that cut the sandbox's PostgreSQL crawl into few, some and many slices.
LIMITS: Final = (1_000_000, 300, 60, 12)
PROJECT: Final = "sandbox/www.postgresql.org"


@dataclass(frozen=True)
class SiteRun:
    """One export of the whole site: its slices, count queries, requests in all, and seconds."""

    slices: int
    counts: int
    requests: int
    wall: float


def site_runs(folder: Path, sandbox: Sandbox, runs: int) -> list[SiteRun]:
    """Export the whole site so many times for each limit; waits for Botify are hundredths. Medians."""
    return [_median([_run(folder / f"{limit}-{number}", sandbox, limit) for number in range(runs)]) for limit in LIMITS]


def _median(runs: list[SiteRun]) -> SiteRun:
    first = runs[0]
    return SiteRun(first.slices, first.counts, first.requests, median(run.wall for run in runs))


def _run(folder: Path, sandbox: Sandbox, limit: int) -> SiteRun:
    before = len(sandbox.requests)
    began = time.perf_counter()
    outcome = asyncio.run(
        export_crawl(project_url=PROJECT, coverage=Coverage.FULL, max_rows=limit, output_dir=str(folder))
    )
    wall = time.perf_counter() - began
    seen = sandbox.requests[before:]
    counts = sum(request.route is Route.QUERY for request in seen)
    say(f"{len(outcome.jobs)} slices: {wall:.2f} s")
    return SiteRun(len(outcome.jobs), counts, len(seen), wall)
