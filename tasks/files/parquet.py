"""Tables of text to a typed Parquet file, a row group at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.files.casting import Misfit, cast
from tasks.files.columns import Column, ColumnKind, parquet_names
from tasks.files.staged import HashedFile, KeptAsText, StagedFile

_GROUP_ROWS = 32_768
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


class TypedParquet:
    """A Parquet file whose columns have the types of `columns`, but for those kept as text.

    A value that does not fit shows when rows were written already. Then nothing more is written, `kept_as_text` says
    which columns do not fit, and the file is to be written again from the first row with them as text.
    """

    def __init__(
        self, path: Path, columns: Sequence[Column], kept_as_text: Sequence[KeptAsText], metadata: Mapping[str, str]
    ) -> None:
        self._kept = {kept.column: kept for kept in kept_as_text}
        self._given = len(self._kept)
        self._columns = [_as_text(column) if column.name in self._kept else column for column in columns]
        self._schema = pa.schema(map(_field, parquet_names(columns), self._columns), metadata=dict(metadata))
        self._rows = 0
        self._path = path
        self._file = HashedFile(path)
        self._writer = pq.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            compression_level=1,
            # A dictionary of titles costs time and saves nothing.
            use_dictionary=[field.name for field in self._schema if pa.types.is_primitive(field.type)] or False,
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

    def finish(self) -> StagedFile:
        """Write the footer and wait until the disk has it all."""
        self._writer.close()
        return self._file.finish(self._rows)

    @property
    def kept_as_text(self) -> tuple[KeptAsText, ...]:
        """The columns that are, or have to be, text."""
        return tuple(self._kept.values())

    @property
    def all_fit(self) -> bool:
        """Whether every value fitted so far, and was written."""
        return len(self._kept) == self._given

    def write(self, texts: pa.Table) -> None:
        """The next row group."""
        typed = [self._cast(text, column) for text, column in zip(texts.columns, self._columns, strict=True)]
        self._rows += texts.num_rows
        if self.all_fit:
            self._writer.write_table(pa.Table.from_arrays(typed, schema=self._schema))

    def _cast(self, texts: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
        if column.name in self._kept:
            return texts
        try:
            return cast(texts, column)
        except Misfit as misfit:
            row = self._rows + misfit.place + 1
            self._kept[column.name] = KeptAsText(column=column.name, row=row, example=misfit.example[:200])
            return texts


def _as_text(column: Column) -> Column:
    return column.model_copy(update={"kind": ColumnKind.TEXT, "multiple": False})


def _field(name: str, column: Column) -> pa.Field:
    origin = {"name": column.name, "field": column.field, "label": column.label}
    return pa.field(name, column.arrow_type, metadata=origin)
