"""The columns of an export: what was asked for, what Botify calls it, and the type its values have in Parquet."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import pyarrow as pa
from pydantic import BaseModel

DEFAULT_FIELDS: Final = ("title", "meta_description", "h1")

_LONGEST_NAME = 300  # BigQuery's limit for a column name

_KINDS_BY_BOTIFY_TYPE = {
    "int": "integer",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
}


class ColumnKind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"

    @classmethod
    def of(cls, botify_type: str) -> "ColumnKind":
        """The kind for a `type` of Botify's field list (botify-api.md §3.6); a word not known is text."""
        return cls(_KINDS_BY_BOTIFY_TYPE.get(botify_type.lower(), cls.TEXT))

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of the column in the Parquet file."""
        match self:
            case ColumnKind.TEXT:
                return pa.string()
            case ColumnKind.INTEGER:
                return pa.int64()
            case ColumnKind.NUMBER:
                return pa.float64()
            case ColumnKind.BOOLEAN:
                return pa.bool_()
            case ColumnKind.DATE:
                return pa.date32()
            case ColumnKind.DATETIME:
                return pa.timestamp("us", tz="UTC")


class Column(BaseModel, frozen=True):
    """One column asked for.

    `name` is the header we write ("title"), `field` Botify's slug ("metadata.title.content"), `label` the verbose
    name ("Title") or "" if it is not known.
    """

    name: str
    field: str
    label: str = ""
    kind: ColumnKind = ColumnKind.TEXT
    multiple: bool = False

    @property
    def parquet_name(self) -> str:
        """`name` with what BigQuery does not take replaced by `_`; see `parquet_names` for unique ones."""
        legal = re.sub(r"[^A-Za-z0-9_]", "_", self.name)[:_LONGEST_NAME]
        return legal if re.match(r"[A-Za-z_]", legal) else f"_{legal}"[:_LONGEST_NAME]

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of the column in the Parquet file when every value fits."""
        return pa.list_(pa.string()) if self.multiple else self.kind.arrow_type

    def is_called(self, heading: str) -> bool:
        """Whether a cell of a header names this column, in any of Botify's header formats (botify-api.md §4.6)."""
        words = {self.name, self.field, self.label} - {""}
        without_collection = re.sub(r"^crawl\.[^.]+\.", "", heading)
        return heading in words or without_collection == self.field


def parquet_names(columns: Sequence[Column]) -> tuple[str, ...]:
    """The columns' names in Parquet; BigQuery compares them without regard to case, so `_2`, `_3` tell them apart."""
    taken: set[str] = set()
    names = []
    for column in columns:
        name, count = column.parquet_name, 1
        while name.lower() in taken:
            count += 1
            suffix = f"_{count}"
            name = column.parquet_name[: _LONGEST_NAME - len(suffix)] + suffix
        taken.add(name.lower())
        names.append(name)
    return tuple(names)
