"""A CSV for people: one that Excel opens as it is meant, and that runs nothing.

Excel takes a file for UTF-8 only with a byte order mark, takes a cell that begins with `= + - @` for a formula (the
title of a page may hold one), and shows no row beyond its 1,048,576th.
"""

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

from tasks.exports.wanted import EXCEL
from tasks.files.staged import HashedFile, StagedFile

ROWS: Final = 1_048_576
FORMULA: Final = re.compile(r"[=+\-@\t\r]")
NUMBER: Final = re.compile(r"[+-]?\d+([.,]\d+)?")
_FIELD_LIMIT: Final = 2**31 - 1  # a page may be one cell


def write_spreadsheets(source: Path, folder: Path, *, rows: int = ROWS) -> tuple[StagedFile, ...]:
    """Write the CSV at `source` again for Excel, in as many files as its limit makes, each with the header.

    Returns the files, on the disk. Raises OSError.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    written: list[StagedFile] = []
    with source.open(encoding="utf-8", newline="") as file:
        records = csv.reader(file)
        header = next(records)
        while (first := list(islice(records, 1))) or not written:
            name = EXCEL.replace(".csv", f"-{len(written) + 1}.csv") if written else EXCEL
            with HashedFile(folder / name) as target:
                count = _write(target, header, chain(first, islice(records, rows - 2)))
                written.append(target.finish(count))
    return tuple(written)


def _write(target: HashedFile, header: list[str], records: Iterator[list[str]]) -> int:
    target.write(b"\xef\xbb\xbf")
    lines = csv.writer(_Encoded(target))
    lines.writerow(header)
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007  # the last number is the count
        lines.writerow([harmless(cell) for cell in record])
    return count


def harmless(cell: str) -> str:
    """Return the cell as a text that no spreadsheet runs; a number stays a number."""
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell


class _Encoded:
    """What `csv.writer` writes to."""

    def __init__(self, target: HashedFile) -> None:
        self._target = target

    def write(self, text: str) -> int:
        return self._target.write(text.encode())
