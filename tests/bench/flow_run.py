"""A whole run of the flow on a tiny export, against the sandbox and a running Prefect server."""

import asyncio
from collections.abc import Callable

from flows.export_crawl import export_crawl
from tests.bench.task import Task


def flow_run(task: Task) -> Callable[[], None]:
    """What a run costs beside the data: its tasks, artifacts, requests and ledger; `url` is the project's."""

    def operation() -> None:
        outcome = asyncio.run(export_crawl(project_url=task.url, max_rows=1000, output_dir=task.folder))
        assert outcome.rows == task.rows

    return operation
