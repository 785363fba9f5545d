"""Each stage of a pass alone, with the libraries that the pass uses and nothing around them."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from isal import igzip_lib

from tasks.files.typed import TypedColumns
from tests.bench.crawl import COLUMNS
from tests.bench.task import Task

_BLOCK: Final = 1 << 20
_GROUP_ROWS: Final = 24_576


def network(task: Task) -> Callable[[], None]:
    """httpx, the bytes thrown away."""
    client = httpx.Client()

    def operation() -> None:
        with client.stream("GET", task.url) as response:
            _exhaust(response.iter_raw())

    return operation


def gunzip(task: Task) -> Callable[[], None]:
    """isal, in blocks of 256 KiB, the checksum included; the archive lies in the page cache."""

    def operation() -> None:
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        for chunk in _blocks(Path(task.archive), 1 << 17):
            packed = chunk
            while member.decompress(packed, 1 << 18) and not (member.needs_input or member.eof):
                packed = b""
        assert member.eof

    return operation


def csv_write(task: Task) -> Callable[[], None]:
    """A file of the size of the CSV, without waiting for the disk."""
    size = Path(task.csv).stat().st_size

    def operation() -> None:
        _write(Path(task.folder, "pages.csv"), size)

    return operation


def parse(task: Task) -> Callable[[], None]:
    """pyarrow's streaming reader to columns of text, in one thread; the CSV lies in the page cache."""
    return lambda: _exhaust(_batches(task))


def types(task: Task) -> Callable[[], None]:
    """Our casts from text: integers, and lists out of JSON."""
    groups = list(_groups(task))
    return lambda: _exhaust(TypedColumns(COLUMNS, ()).typed(groups))


def parquet_encode(task: Task) -> Callable[[], None]:
    """pyarrow's writer with the options of ours, to a file without waiting for the disk."""
    columns = TypedColumns(COLUMNS, ())
    groups = list(columns.typed(_groups(task)))
    numbers = [field.name for field in columns.schema if pa.types.is_primitive(field.type)]

    def operation() -> None:
        with pq.ParquetWriter(
            Path(task.folder, "pages.parquet"),
            columns.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=numbers,
        ) as writer:
            for group in groups:
                writer.write_table(group)

    return operation


def sha256(task: Task) -> Callable[[], None]:
    """As many bytes as both files have."""
    size = _both(task)

    def operation() -> None:
        digest = hashlib.sha256()
        for block in _zeros(size):
            digest.update(block)

    return operation


def fsync(task: Task) -> Callable[[], None]:
    """One sync of as many bytes as both files have, none of which the disk has yet."""
    path = Path(task.folder, "both")
    _write(path, _both(task))

    def operation() -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())

    return operation


def _both(task: Task) -> int:
    return Path(task.csv).stat().st_size + Path(task.parquet).stat().st_size


def _batches(task: Task) -> pyarrow.csv.CSVStreamingReader:
    names = [column.name for column in COLUMNS]
    return pyarrow.csv.open_csv(
        task.csv,
        pyarrow.csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def _groups(task: Task) -> Iterator[pa.Table]:
    table = pa.Table.from_batches(_batches(task))
    for start in range(0, table.num_rows, _GROUP_ROWS):
        yield table.slice(start, _GROUP_ROWS)


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(size):
            yield block


def _zeros(size: int) -> Iterator[bytes]:
    block = bytes(_BLOCK)
    for start in range(0, size, _BLOCK):
        yield block[: size - start]


def _write(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for block in _zeros(size):
            file.write(block)


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass
