"""The start of a Botify CSV: BOM, `sep=` line and header, each of which may be there or not (botify-api.md §8.1)."""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from tasks.exports.columns import Column
from tasks.exports.errors import FileRefused

_BOM = b"\xef\xbb\xbf"
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?(?:\r\n|\r|\n)')
_LONGEST_RECORD = 64 * 1024 * 1024

# Possessive, so that a long or unterminated field costs one pass. Quotes count at the start of a field only, as for
# the parser that reads the rest.
_CELL = rb'(?:"[^"]*+(?:""[^"]*+)*+"[^,\r\n]*+|(?!")[^,\r\n]*+)'
_RECORD = re.compile(_CELL + rb"(?:," + _CELL + rb")*+")
_QUOTED_CELL = re.compile(rb'"(?P<quoted>[^"]*+(?:""[^"]*+)*+)"(?P<tail>.*)', re.DOTALL)
_LINE_ENDING = re.compile(rb"\r\n|\r|\n")


class Heading(NamedTuple):
    """How a file begins: `header` is the line we write, `data` the first bytes after it (or none)."""

    header: bytes
    data: bytes
    normalised: tuple[str, ...]


class _FirstRecord(StrEnum):
    """What the first record is, in the words that report what was done about it."""

    ASKED = "header kept"
    RENAMED = "header renamed"
    DATA = "header added"


def read_heading(blocks: Iterator[bytes], columns: Sequence[Column]) -> Heading:
    """Take from `blocks` what is needed to know the header; raises FileRefused if the first record fits nothing."""
    start = _read_more(b"", blocks, 64)
    normalised = []
    if start.startswith(_BOM):
        normalised.append("BOM removed")
        start = start.removeprefix(_BOM)
    if separator := _SEPARATOR_LINE.match(start):
        if separator[1] != b",":
            raise FileRefused("The file's `sep=` line names another delimiter than a comma.")
        normalised.append("sep= line removed")
        start = start[separator.end() :]
    record, ending, start = _first_record(start, blocks)
    kind = _judged(_cells(record), columns) if start else _FirstRecord.DATA
    if kind is _FirstRecord.ASKED:
        header = record + ending
    else:
        normalised.append(str(kind))
        header = b",".join(_quoted(column.name) for column in columns) + (ending or b"\n")
    data = start if kind is _FirstRecord.DATA else start[len(record) + len(ending) :]
    return Heading(header, data, tuple(normalised))


def _read_more(start: bytes, blocks: Iterator[bytes], size: int) -> bytes:
    pieces = [start]
    have = len(start)
    while have < size and (block := next(blocks, b"")):
        pieces.append(block)
        have += len(block)
    return b"".join(pieces)


def _first_record(start: bytes, blocks: Iterator[bytes]) -> tuple[bytes, bytes, bytes]:
    """The first record, its line ending ("" at the file's end) and everything read, which begins with both."""
    while True:
        record = _RECORD.match(start)
        ending = _LINE_ENDING.match(start, record.end()) if record else None
        # A CR that ends the bytes at hand may have its LF in the next ones.
        if record and ending and ending.end() < len(start):
            return record[0], ending[0], start
        more = _read_more(start, blocks, 2 * len(start) + 1)
        if len(more) == len(start):
            if record is None or (ending is None and record.end() < len(start)):
                raise FileRefused("The file ends within a quoted value of its first record.")
            return record[0], ending[0] if ending else b"", start
        if len(more) > _LONGEST_RECORD:
            raise FileRefused("The file's first record does not end: not a CSV file.")
        start = more


def _cells(record: bytes) -> list[str]:
    cells = re.findall(rb"(?:\A|,)(" + _CELL + rb")", record) if record else []
    return [_unquoted(cell).decode(errors="replace") for cell in cells]


def _unquoted(cell: bytes) -> bytes:
    quoted = _QUOTED_CELL.fullmatch(cell)
    return quoted["quoted"].replace(b'""', b'"') + quoted["tail"] if quoted else cell


def _quoted(name: str) -> bytes:
    return ('"' + name.replace('"', '""') + '"' if re.search(r'[",\r\n]', name) else name).encode()


def _judged(cells: Sequence[str], columns: Sequence[Column]) -> _FirstRecord:
    if list(cells) == [column.name for column in columns]:
        return _FirstRecord.ASKED
    if len(cells) != len(columns):
        raise FileRefused(f"The file has {len(cells)} columns, not the {len(columns)} asked for.")
    if "://" in cells[0]:  # the first column is always the URL
        return _FirstRecord.DATA
    for cell, column in zip(cells, columns, strict=True):
        if not column.is_called(cell) and any(other.is_called(cell) for other in columns):
            raise FileRefused(f"The file has the column {cell!r} where {column.name!r} was asked for.")
    return _FirstRecord.RENAMED
