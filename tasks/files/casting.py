"""Text to the type of its column, a column at a time: either every value fits, exactly, or the column stays text."""

import json
import struct
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from tasks.exports.columns import Column, ColumnKind

_WITHOUT_ZONE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?$"
_UNFIT = (ValueError, RecursionError)  # ArrowInvalid is a ValueError; the other one is a text of 1,000 brackets


def _text(constant: str) -> pa.StringScalar:
    """What `pa.scalar` would make, if that did not import pandas where it is installed: 0.1 s and 40 MB."""
    content = constant.encode()
    offsets = pa.py_buffer(struct.pack("=ii", 0, len(content)))
    return pa.StringArray.from_buffers(1, offsets, pa.py_buffer(content))[0]


_NULL = pa.nulls(1, pa.string())[0]
_NOTHING, _NULL_WORD, _LINE_START, _LINE_END, _UTC = map(_text, ("", "null", '{"list":', "}\n", "Z"))


class Misfit(Exception):
    """A value is not of its column's type: its place in the texts (from 0) and the value."""

    def __init__(self, place: int, example: str) -> None:
        super().__init__(place, example)
        self.place = place
        self.example = example


def cast(texts: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """`texts` as `column.arrow_type`; empty texts are null in all but text columns. Raises Misfit."""
    if column.kind is ColumnKind.TEXT and not column.multiple:
        return texts
    texts = pc.if_else(pc.equal(texts, _NOTHING), _NULL, texts)
    convert = _lists if column.multiple else _CONVERSIONS[column.kind]
    try:
        return convert(texts)
    except _UNFIT:
        raise _first_misfit(texts, convert) from None


def _integers(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    numbers = texts.cast(pa.int64())
    # Arrow reads "007" and "0x1F" too; as numbers they would not be what Botify wrote.
    if not pc.all(pc.equal(numbers.cast(pa.string()), texts), min_count=0).as_py():
        raise ValueError
    return numbers


def _numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return texts.cast(pa.float64())


def _booleans(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return texts.cast(pa.bool_())  # takes true, false, 1 and 0, in any case


def _dates(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return texts.cast(pa.date32())


def _datetimes(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return texts.cast(ColumnKind.DATETIME.arrow_type)
    except pa.ArrowInvalid:  # no zone is UTC, as in the rest of Botify's API
        zone = pc.if_else(pc.match_substring_regex(texts, _WITHOUT_ZONE), _UTC, _NOTHING)
        return pc.binary_join_element_wise(texts, zone, _NOTHING).cast(ColumnKind.DATETIME.arrow_type)


def _lists(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return _lists_of_strings(texts)
    except _UNFIT:
        return pa.chunked_array([pa.array(map(_list_of_scalars, texts.to_pylist()), pa.list_(pa.string()))])


def _lists_of_strings(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists that hold only strings, by Arrow's reader of JSON lines: ten times as fast as a loop."""
    if not len(texts):
        return pa.chunked_array([], pa.list_(pa.string()))
    lines = pc.binary_join_element_wise(_LINE_START, pc.fill_null(texts, _NULL_WORD), _LINE_END, _NOTHING)
    _, _, document = lines.combine_chunks().buffers()  # the texts of a string array stand one behind the other
    table = pyarrow.json.read_json(
        pa.BufferReader(document),
        pyarrow.json.ReadOptions(use_threads=False, block_size=document.size + 1),
        pyarrow.json.ParseOptions(
            explicit_schema=pa.schema([("list", pa.list_(pa.string()))]), unexpected_field_behavior="error"
        ),
    )
    lists = table.column("list")
    if len(lists) != len(texts) or lists.null_count != texts.null_count:  # a text that closes its line, or "null"
        raise ValueError
    return lists


def _list_of_scalars(text: str | None) -> list[str | None] | None:
    if text is None:
        return None
    values = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    if not isinstance(values, list) or any(isinstance(value, list | dict) for value in values):
        raise ValueError
    return [json.dumps(value) if isinstance(value, bool) else value for value in values]


def _first_misfit(texts: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> Misfit:
    """Halves what holds the first value that does not fit until it stands alone."""
    fits, misfit = 0, len(texts)
    while misfit - fits > 1:
        middle = (fits + misfit) // 2
        try:
            convert(texts.slice(fits, middle - fits))
            fits = middle
        except _UNFIT:
            misfit = middle
    return Misfit(fits, texts[fits].as_py())


_CONVERSIONS: dict[ColumnKind, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    ColumnKind.INTEGER: _integers,
    ColumnKind.NUMBER: _numbers,
    ColumnKind.BOOLEAN: _booleans,
    ColumnKind.DATE: _dates,
    ColumnKind.DATETIME: _datetimes,
}
