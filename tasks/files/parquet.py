"""Tables to a Parquet file, a row group at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.files.staged import HashedFile, StagedFile

_GROUP_ROWS = 24_576
_GROUP_BYTES = 64 * 1024 * 1024  # of text: bounds the memory when the rows are long


def row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The batches, gathered to the size of a row group."""
    gathered: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        gathered.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(gathered)
            gathered, rows, size = [], 0, 0
    if gathered:
        yield pa.Table.from_batches(gathered)


class ParquetFile:
    """A Parquet file that is written group by group, and is not left behind on an error."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._file = HashedFile(path)
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            compression_level=1,
            # A dictionary of titles costs time and saves nothing.
            use_dictionary=[field.name for field in schema if pa.types.is_primitive(field.type)] or False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with self._file:
                self._writer.close()
        finally:
            if error:  # a part of the rows would look like a whole file
                self._path.unlink(missing_ok=True)

    def write(self, group: pa.Table) -> None:
        """The next row group."""
        self._writer.write_table(group)

    def finish(self, rows: int) -> StagedFile:
        """Write the footer and wait until the disk has it all."""
        self._writer.close()
        return self._file.finish(rows)
