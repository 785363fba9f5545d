"""Several CSV files of the same columns, one after another, as one."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.exports.errors import FileRefused
from tasks.files import merging
from tasks.files.merging import joined

HEADER = b"url,title\n"


@pytest.fixture(autouse=True, params=[1 << 20, 1, 3])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the files are cut into blocks."""
    monkeypatch.setattr(merging, "_BLOCK", request.param)


def files(*contents: bytes) -> list[Path]:
    paths = [Path(f"{number}.csv") for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def join(*contents: bytes) -> bytes:
    return b"".join(joined(files(*contents)))


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@pytest.mark.parametrize(
    ("contents", "whole"),
    [
        ([b"a,1\n", b"b,2\nc,3\n"], b"a,1\nb,2\nc,3\n"),
        ([b"a,1\n"], b"a,1\n"),
        ([b"b,2\n", b"a,1\n"], b"b,2\na,1\n"),  # in the order of the plan, not of the URLs
        ([b"a,1", b"b,2"], b"a,1\nb,2\n"),
        ([b"", b"a,1\n", b"", b"b,2", b""], b"a,1\nb,2\n"),
        ([b"", b""], b""),
        ([b'a,"x\n"\n', b'"b","\ny"\n'], b'a,"x\n"\n"b","\ny"\n'),
        ([b'a,"x\n"', b"b,2\n"], b'a,"x\n"\nb,2\n'),
        ([b'a,"url,title\n"\n', b"b,2\n"], b'a,"url,title\n"\nb,2\n'),
        ([b"a,\xff\x00\r\n", b"b,\xe2\x82\xac\n"], b"a,\xff\x00\r\nb,\xe2\x82\xac\n"),
    ],
)
def test_the_header_comes_once_and_every_row_as_it_is(contents: list[bytes], whole: bytes) -> None:
    """Byte for byte, but that every line ends."""
    assert join(*(HEADER + content for content in contents)) == HEADER + whole


@pytest.mark.parametrize("ends", [b"\r\n", b""])
def test_lines_that_end_as_on_windows_stay_so(ends: bytes) -> None:
    """Also where a line has to be ended."""
    first, second = b"url,title\r\na,1" + ends, b"url,title\r\nb,2\r\n"
    assert join(first, second) == b"url,title\r\na,1\r\nb,2\r\n"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_header_whose_line_does_not_end_is_the_same_header(position: int) -> None:
    """A file without rows may be cut there."""
    contents = [HEADER + b"a,1\n", HEADER + b"b,2\n"]
    contents.insert(position, HEADER.strip())
    assert rows_of(join(*contents)) == [["url", "title"], ["a", "1"], ["b", "2"]]


def test_quoted_newlines_at_the_joints_stay_in_their_cells() -> None:
    """As a CSV reader sees it."""
    joint = join(HEADER + b'a,"1\n\n"\n', HEADER + b'"\nb","""\n"\n')
    assert rows_of(joint)[1:] == [["a", "1\n\n"], ["\nb", '"\n']]


@pytest.mark.parametrize(
    "other", [b"url,h1\nb,2\n", b"title,url\nb,2\n", b"b,2\n", b"", b"url\n", b"\xef\xbb\xbfurl,title\n"]
)
def test_another_header_is_refused_and_named(other: bytes) -> None:
    """Columns are never mixed; nothing of the other file is given out."""
    given: list[bytes] = []
    with pytest.raises(FileRefused, match=r"1\.csv has another header than 0\.csv"):
        given.extend(joined(files(HEADER + b"a,1\n", other)))
    assert b"".join(given) == HEADER + b"a,1\n"


def test_a_file_that_is_missing_is_an_error_of_the_disk() -> None:
    """Not an empty one."""
    pieces = joined([*files(HEADER), Path("missing.csv")])
    with pytest.raises(FileNotFoundError):
        list(pieces)


def test_memory_holds_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the files are."""
    monkeypatch.setattr(merging, "_BLOCK", 1000)
    pieces: Iterator[Any] = joined(files(HEADER + b"a,1\n" * 5000, HEADER + b"b,2\n" * 5000))
    assert max(len(piece) for piece in pieces) <= 1000
