"""The CSV for people."""

import csv
from pathlib import Path

import pytest

from tasks.files.spreadsheet import harmless, write_spreadsheets

SOURCE = Path("pages.csv")


def rows_of(path: Path) -> list[list[str]]:
    """As Excel reads it: the byte order mark says that it is UTF-8."""
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(content.decode("utf-8-sig").splitlines(keepends=True)))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+cmd|x", "'+1+cmd|x"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("-12", "-12"),
        ("+3.5", "+3.5"),
        ("-3,5", "-3,5"),
        ("a=b", "a=b"),
        ("", ""),
        ("'=1", "'=1"),
    ],
)
def test_a_cell_that_would_be_a_formula_is_text(cell: str, shown: str) -> None:
    """A title is whatever a web page says; a number stays a number."""
    assert harmless(cell) == shown


def test_the_rows_are_those_of_the_csv() -> None:
    """Line breaks, quotes and scripts of every kind included."""
    SOURCE.write_text('url,title\nhttps://x/1,"a ""b""\r\nc"\nhttps://x/2,日本語 ü\n', encoding="utf-8", newline="")
    (file,) = write_spreadsheets(SOURCE, Path())
    assert (file.path.name, file.rows) == ("pages.excel.csv", 2)
    assert rows_of(file.path) == [["url", "title"], ["https://x/1", 'a "b"\r\nc'], ["https://x/2", "日本語 ü"]]


@pytest.mark.parametrize(("rows", "parts"), [(0, [0]), (1, [1]), (9, [9]), (10, [9, 1]), (27, [9, 9, 9])])
def test_it_is_split_where_excel_ends(rows: int, parts: list[int]) -> None:
    """Each part within the limit, its header counted, and with all the rows between them."""
    SOURCE.write_text("url\n" + "".join(f"u{number}\n" for number in range(rows)))
    files = write_spreadsheets(SOURCE, Path(), rows=10)
    assert [file.rows for file in files] == parts
    assert [len(rows_of(file.path)) for file in files] == [part + 1 for part in parts]
    assert [row for file in files for row in rows_of(file.path)[1:]] == [[f"u{number}"] for number in range(rows)]
    assert files[-1].path.name == ("pages.excel.csv" if len(parts) == 1 else f"pages.excel-{len(parts)}.csv")


def test_a_cell_may_be_as_long_as_a_page() -> None:
    """Longer than the csv module's own limit."""
    SOURCE.write_text(f"url,title\nu,{'x' * 200_000}\n")
    (file,) = write_spreadsheets(SOURCE, Path())
    assert len(rows_of(file.path)[1][1]) == 200_000
