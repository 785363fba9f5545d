"""Both outputs hold what other readers see in the same bytes."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.files.staged_bytes import TITLE, URL, records, staged

_TEXTS = st.text(alphabet=st.sampled_from(list('a,"\r\n ;\t\\é🚀 =0')), max_size=8)
_ROWS = st.lists(st.tuples(st.integers(0, 10**6).map("https://x.y/{}".format), _TEXTS), max_size=6)
_BLOCK = 1 << 20


def _written(rows: list[tuple[str, str]], line_ending: str, *, all_quoted: bool = False) -> bytes:
    # Python's writer leaves a CR unquoted when lines end in LF, and no reader can know what was meant.
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if all_quoted or re.search(r'[",\r\n]', text) else text

    lines = [("url", "title"), *rows]
    return "".join(",".join(map(cell, line)) + line_ending for line in lines).encode()


@settings(max_examples=150, deadline=None)
@given(
    rows=_ROWS,
    line_ending=st.sampled_from(["\r\n", "\n"]),
    all_quoted=st.booleans(),
    piece=st.integers(1, 40),
)
def test_values_are_those_of_pythons_reader(
    rows: list[tuple[str, str]], line_ending: str, all_quoted: bool, piece: int
) -> None:
    """However values are quoted, lines end, and the stream is cut; the CSV is the bytes that came."""
    body = _written(rows, line_ending, all_quoted=all_quoted)
    outputs = staged(body, piece=piece)
    assert outputs.csv == body
    assert [[url, title or ""] for url, title in outputs.rows] == records(body)[1:]


@settings(max_examples=25, deadline=None)
@given(rows=_ROWS.filter(bool), line_ending=st.sampled_from(["\r\n", "\n"]))
def test_both_files_are_the_same_table_to_duckdb(rows: list[tuple[str, str]], line_ending: str) -> None:
    """A second reader sees the same values in the CSV and in Parquet, null where nothing stands."""
    outputs = staged(_written(rows, line_ending))
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder, "pages.csv")
        path.write_bytes(outputs.csv)
        seen = connection.read_csv(
            str(path),
            header=True,
            delimiter=",",
            quotechar='"',
            escapechar='"',
            dtype={"url": "VARCHAR", "title": "VARCHAR"},
            auto_detect=False,
            columns={"url": "VARCHAR", "title": "VARCHAR"},
        ).fetchall()
    assert seen == outputs.rows


@pytest.mark.parametrize("shift", range(-3, 4))
@pytest.mark.parametrize("block", [_BLOCK, _BLOCK * 7 // 8])
def test_a_quoted_line_ending_across_two_blocks_is_kept(block: int, shift: int) -> None:
    """pyarrow up to 26.0.1 loses its LF (apache/arrow #51368). A block is full, or as many pieces as fit."""
    header, before = b"url,title\r\n", b'https://x.y/1,"'
    title = "x" * (block - len(before) - 1 + shift)
    body = before + title.encode() + b'\r\ny"\r\nhttps://x.y/2,z\r\n'
    rows = staged(header + body, piece=len(header) + block).rows
    assert rows == [("https://x.y/1", f"{title}\r\ny"), ("https://x.y/2", "z")]


@pytest.mark.parametrize("text", ["\r\n", "\r", "\n", "é🚀", '""', "a\r\n\r\n"])
def test_many_blocks_hold_the_values_of_one(text: str) -> None:
    """Quoted line endings, quotes and characters of several bytes at every place of a border."""
    rows = [(f"https://x.y/{number:06d}", text * (number % 7 + 1)) for number in range(80_000)]
    body = _written(rows, "\r\n", all_quoted=True)
    assert len(body) > 2 * _BLOCK
    assert staged(body).rows == rows


def test_a_carriage_return_alone_does_not_stop_the_reader() -> None:
    """A block of nothing else is no reason to read it a byte at a time."""
    title = "\r" * (_BLOCK + 10)
    assert staged(b'url,title\nhttps://x.y/1,"' + title.encode() + b'"\n').rows == [("https://x.y/1", title)]


@pytest.mark.parametrize("size", [1 << 20, 5 << 20, 20 << 20])
def test_a_record_longer_than_a_block_is_read(size: int) -> None:
    """In another pass, with bigger blocks."""
    body = b"url,title\nhttps://x.y/1,a\nhttps://x.y/2," + b"b" * size + b"\nhttps://x.y/3,c\n"
    outputs = staged(body)
    assert outputs.rows == [("https://x.y/1", "a"), ("https://x.y/2", "b" * size), ("https://x.y/3", "c")]
    assert outputs.csv == body


def test_quotes_within_an_unquoted_value_are_text() -> None:
    """As Python's reader has it."""
    body = b'url,title\nhttps://x.y/1,5" disk\nhttps://x.y/2,a "b" c\nhttps://x.y/3,"a"b"c\n'
    assert [list(row) for row in staged(body).rows] == records(body)[1:]


def test_blank_lines_are_no_records() -> None:
    """Nor are they taken out of the CSV."""
    body = b"url,title\n\nhttps://x.y/1,a\n\n\nhttps://x.y/2,b\n\n"
    outputs = staged(body)
    assert outputs.rows == [("https://x.y/1", "a"), ("https://x.y/2", "b")]
    assert outputs.csv == body


def test_one_column_is_a_table_too() -> None:
    """Only URLs, with or without a last line ending."""
    for body in (b"url\nhttps://x.y/1\nhttps://x.y/2\n", b'url\nhttps://x.y/1\n"https://x.y/2"'):
        assert staged(body, [URL]).rows == [("https://x.y/1",), ("https://x.y/2",)]


def test_the_last_line_ending_may_be_missing() -> None:
    """The bytes stay as they are."""
    body = b"url,title\nhttps://x.y/1,a"
    assert staged(body, [URL, TITLE])[1:] == (body, [("https://x.y/1", "a")])
