"""The loads on servers and workers, as Markdown."""

import os
from collections.abc import Iterator, Sequence

from tests.bench import server_runs, worker_runs
from tests.bench.markdown import head, line
from tests.bench.prefect_servers import NOT_INSTALLED, databases
from tests.bench.server_runs import ServerRun
from tests.bench.worker_runs import WorkerRun


def server_table(measured: Sequence[ServerRun]) -> Iterator[str]:
    """A caption, and a line for each load on each database."""
    yield (
        f"SQLite against PostgreSQL: so many `botify-export portfolio` at once, each of {server_runs.PROJECTS} "
        f"projects, {server_runs.AT_ONCE} under way, on a new Prefect server each time. Jobs are done at once, without "
        "the limit of 5 requests a second, so that the server has as much to do as it can get. The CPU is that of the "
        "server and its database; *locked* is how often its log says `database is locked`: then it tries again, or "
        f"answers 503. After {server_runs.LONGEST:.0f} s a load is broken off."
    )
    if len(databases()) == 1:
        yield f"**{NOT_INSTALLED}**"
    yield ""
    yield from head(
        "processes", "server on", "exports", "completed", "wall s", "exports a minute", "server CPU s", "locked"
    )
    for each in measured:
        yield line(
            each.processes,
            each.database,
            each.exports,
            each.completed,
            f"{each.wall:.1f}",
            f"{each.completed / each.wall * 60:.0f}",
            f"{each.server_cpu:.1f}",
            each.locked,
        )


def worker_table(database: str, measured: Sequence[WorkerRun]) -> Iterator[str]:
    """A caption, a line for each, and what the machine's cores imply."""
    yield (
        f"One worker against two: {worker_runs.RUNS} runs of `export-crawl/on-demand`, set up with `botify-export "
        f"set-up` without the limit of 5 requests a second, a Prefect server on {database}. A worker has at most "
        f"{worker_runs.LIMIT} runs under way and asks for new ones once a second; all run on this machine."
    )
    yield ""
    yield from head("a job takes s", "workers", "runs completed", "wall s", "times as fast as one worker")
    one = {each.job_seconds: each.wall for each in measured if each.workers == 1}
    for each in measured:
        ratio = f"{one[each.job_seconds] / each.wall:.2f}"
        yield line(each.job_seconds, each.workers, f"{each.completed} of {worker_runs.RUNS}", f"{each.wall:.1f}", ratio)
    yield ""
    yield (
        f"Each run is a process that imports Prefect and pandas: seconds of CPU, of which {os.cpu_count()} cores have "
        "no more because there are two workers. Where Botify lets runs wait, a second worker lets twice as many do so; "
        "where it does not, only a second machine would help."
    )
