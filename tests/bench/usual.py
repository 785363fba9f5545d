"""The script that everybody writes: download to a file, gunzip it, pandas to Parquet.

Neither version checks a length, resumes, counts, hashes or syncs, or makes lists of the H1 column: they do less than
ours.
"""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pandas

from tests.bench.task import Task

_RIGHT: Final[dict[str, Any]] = {
    "dtype": {
        "url": "string",
        "depth": "Int64",
        "http_code": "Int64",
        "title": "string",
        "meta_description": "string",
        "h1": "string",
    },
    "keep_default_na": False,
    "na_values": {"depth": [""], "http_code": [""]},
}


def with_defaults(task: Task) -> Callable[[], None]:
    """As it is mostly written: titles like "NA" and "None" become missing values, depths become floats."""
    return lambda: _script(task, {})


def done_right(task: Task) -> Callable[[], None]:
    """With the types and missing values that keep every text as it is."""
    return lambda: _script(task, _RIGHT)


def _script(task: Task, options: dict[str, Any]) -> None:
    archive, csv = Path(task.folder, "pages.csv.gz"), Path(task.folder, "pages.csv")
    with httpx.stream("GET", task.url) as response, archive.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            file.write(chunk)
    with gzip.open(archive) as packed, csv.open("wb") as file:
        shutil.copyfileobj(packed, file)
    frame = pandas.read_csv(csv, **options)
    frame.to_parquet(Path(task.folder, "pages.parquet"))
    assert len(frame) == task.rows
