"""Tables of text to tables whose columns have the types of an export, as far as the values fit."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from tasks.exports.columns import Column, ColumnKind, parquet_names
from tasks.files.casting import Misfit, cast
from tasks.files.staged import KeptAsText


class TypedColumns:
    """The types of `columns`, but for those kept as text.

    A value that does not fit shows when rows before it have been handed out. Then `all_fit` becomes false, the rows
    from there on are of use no more, and all are to be typed again with `kept_as_text` as it is in the end.
    """

    def __init__(self, columns: Sequence[Column], kept_as_text: Sequence[KeptAsText]) -> None:
        self._kept = {kept.column: kept for kept in kept_as_text}
        self._columns = [_as_text(column) if column.name in self._kept else column for column in columns]
        self._rows = 0
        self.schema = pa.schema(map(_field, parquet_names(columns), self._columns))
        self.all_fit = True

    @property
    def kept_as_text(self) -> tuple[KeptAsText, ...]:
        """The columns that are, or have to be, text."""
        return tuple(self._kept.values())

    def typed(self, groups: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The same rows with typed columns, as long as all fit; at the end every column that does not is known."""
        for texts in groups:
            values = [self._cast(text, column) for text, column in zip(texts.columns, self._columns, strict=True)]
            self._rows += texts.num_rows
            yield pa.Table.from_arrays(values, schema=self.schema) if self.all_fit else texts

    def _cast(self, texts: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
        if column.name in self._kept:
            return texts
        try:
            return cast(texts, column)
        except Misfit as misfit:
            row = self._rows + misfit.place + 1
            self._kept[column.name] = KeptAsText(column=column.name, row=row, example=misfit.example[:200])
            self.all_fit = False
            return texts


def _as_text(column: Column) -> Column:
    return column.model_copy(update={"kind": ColumnKind.TEXT, "multiple": False})


def _field(name: str, column: Column) -> pa.Field:
    origin = {"name": column.name, "field": column.field, "label": column.label}
    return pa.field(name, column.arrow_type, metadata=origin)
