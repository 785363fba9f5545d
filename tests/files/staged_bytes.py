"""Stage what a test wrote down, and read back both outputs."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tasks.exports.columns import Column
from tasks.files.staging import Limits, Staged, stage

URL = Column(name="url", field="url", label="Full URL")
TITLE = Column(name="title", field="metadata.title.content", label="Title")


class Outputs(NamedTuple):
    """What was staged, the bytes of the CSV, and the values of the Parquet file, row by row."""

    staged: Staged
    csv: bytes
    rows: list[tuple[Any, ...]]


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    """The body as a connection might bring it."""
    return (body[start : start + size] for start in range(0, len(body), size))


def staged(body: bytes, columns: Sequence[Column] = (URL, TITLE), *, piece: int = 1 << 16) -> Outputs:
    """Both outputs for a body that arrives in pieces of so many bytes."""
    with TemporaryDirectory() as folder:
        result = stage(in_pieces(body, piece), columns, Path(folder), limits=Limits())
        assert result.csv is not None
        assert result.parquet is not None
        table = pq.read_table(result.parquet.path)
        rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        return Outputs(result, result.csv.path.read_bytes(), rows)


def records(text: bytes) -> list[list[str]]:
    """The records as Python's own reader sees them, without blank lines."""
    return [record for record in csv.reader(io.StringIO(text.decode(), newline="")) if record]
