"""Our download and our pass over it, without what delivers them: `tasks.files` alone."""

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
from pydantic import SecretStr

from tasks.files.fetch import fetch
from tasks.files.staging import Limits, stage
from tests.bench.crawl import COLUMNS
from tests.bench.task import Task


def staging(task: Task) -> Callable[[], None]:
    """From the link to a CSV and a Parquet file that are on the disk, counted and hashed."""

    def operation() -> None:
        with httpx.Client() as client:
            chunks = fetch(
                SecretStr(task.url),
                client=client,
                fresh_url=lambda: SecretStr(task.url),
                stop=threading.Event(),
                on_bytes=lambda received, total: None,
            )
            staged = stage(chunks, COLUMNS, Path(task.folder), limits=Limits())
        assert (staged.rows, staged.duplicate_url) == (task.rows, None)

    return operation
