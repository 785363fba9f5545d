"""A whole pass: types, empty values, lists, what is refused and what is left behind."""

import gzip
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.exports.columns import Column, ColumnKind
from tasks.exports.errors import DataFolderUnusable, DownloadDamaged, FileRefused, Interrupted
from tasks.files.archive import ArchiveKind
from tasks.files.staging import KeptAsText, Limits, OutputFormat, stage
from tests.files.sample_export import COLUMNS, header, lines
from tests.files.staged_bytes import TITLE, URL, in_pieces, records, staged

NOON = datetime(2020, 9, 22, 12, 7, tzinfo=UTC)


def _column(kind: ColumnKind, *, multiple: bool = False) -> list[Column]:
    return [URL, Column(name="v", field="v", kind=kind, multiple=multiple)]


def _file(*cells: str) -> bytes:
    return b"url,v\n" + "".join(f"https://x.y/{n},{cell}\n" for n, cell in enumerate(cells)).encode()


@pytest.mark.parametrize(
    ("kind", "cells", "values"),
    [
        (ColumnKind.TEXT, ["", '""', "NA", "null", "007"], [None, "", "NA", "null", "007"]),
        (ColumnKind.INTEGER, ["", '""', "0", "-3", '"12"'], [None, None, 0, -3, 12]),
        (ColumnKind.INTEGER, ["9223372036854775807"], [2**63 - 1]),
        (ColumnKind.INTEGER, ["", ""], [None, None]),
        (ColumnKind.NUMBER, ["", "1", "0.25", "1e3", "-2."], [None, 1.0, 0.25, 1000.0, -2.0]),
        (ColumnKind.BOOLEAN, ["", "True", "false", "1", "0", "TRUE"], [None, True, False, True, False, True]),
        (ColumnKind.DATE, ["", "2020-09-22"], [None, date(2020, 9, 22)]),
        (ColumnKind.DATETIME, ["", "2020-09-22 12:07:00Z", "2020-09-22T12:07Z"], [None, NOON, NOON]),
        (ColumnKind.DATETIME, ["2020-09-22T14:07:00+02:00", "2020-09-22 12:07:00"], [NOON, NOON]),
        (ColumnKind.DATETIME, ["2020-09-22T12:07:00.000012Z"], [NOON.replace(microsecond=12)]),
    ],
)
def test_values_have_the_type_of_their_column(kind: ColumnKind, cells: list[str], values: list[object]) -> None:
    """Nothing stands for null, a quoted nothing is an empty text."""
    outputs = staged(_file(*cells), _column(kind))
    assert [value for _, value in outputs.rows] == values
    assert outputs.staged.kept_as_text == ()


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        (ColumnKind.INTEGER, "007"),
        (ColumnKind.INTEGER, "0x1F"),
        (ColumnKind.INTEGER, "1.0"),
        (ColumnKind.INTEGER, "9223372036854775808"),
        (ColumnKind.NUMBER, '"1,5"'),
        (ColumnKind.NUMBER, "0x10"),
        (ColumnKind.BOOLEAN, "maybe"),
        (ColumnKind.BOOLEAN, "2"),
        (ColumnKind.DATE, "22/09/2020"),
        (ColumnKind.DATE, "2020-02-30"),
        (ColumnKind.DATETIME, "2020-09-22T12:07:00.0000001Z"),
        (ColumnKind.DATETIME, "yesterday"),
    ],
)
def test_one_value_that_does_not_fit_keeps_its_column_as_text(kind: ColumnKind, cell: str) -> None:
    """From the first row, and with the value named."""
    good = {"integer": "5", "number": "5", "boolean": "1", "date": "2020-09-22", "datetime": "2020-09-22 12:07:00Z"}
    outputs = staged(_file(good[kind], "", '""', cell, good[kind]), _column(kind))
    value = cell.strip('"')
    assert [value for _, value in outputs.rows] == [good[kind], None, "", value, good[kind]]
    assert outputs.staged.kept_as_text == (KeptAsText(column="v", row=4, example=value),)


def test_a_value_that_does_not_fit_late_in_the_file_is_found() -> None:
    """Other columns keep their types, and the file is written once more."""
    columns = [URL, *(Column(name=name, field=name, kind=ColumnKind.INTEGER) for name in "abc")]
    cells = [
        f"https://x.y/{n:06d},{n},{'x' if n == 70_000 else 2},{'y' if n == 90_000 else 3}\n" for n in range(99_999)
    ]
    outputs = staged(b"url,a,b,c\n" + "".join(cells).encode(), columns)
    assert outputs.rows[70_000] == ("https://x.y/070000", 70_000, "x", "3")
    assert len(outputs.rows) == 99_999
    assert outputs.staged.kept_as_text == (
        KeptAsText(column="b", row=70_001, example="x"),
        KeptAsText(column="c", row=90_001, example="y"),
    )


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (['["a"]', "[]", "", '["a","b \\" \\u00e9"]'], [["a"], [], None, ["a", 'b " é']]),
        (['["a", 1, 2.50, true, null]', '["b"]'], [["a", "1", "2.50", "true", None], ["b"]]),
        ([' [ "a" , "b" ] '], [["a", "b"]]),
        (['["a",\n"b"]'], [["a", "b"]]),
        (["", ""], [None, None]),
    ],
)
def test_lists_of_scalars_are_lists(texts: list[str], values: list[object]) -> None:
    """Of texts, whatever the scalars are."""
    cells = ['"' + text.replace('"', '""') + '"' if text else "" for text in texts]
    outputs = staged(_file(*cells), _column(ColumnKind.TEXT, multiple=True))
    assert [value for _, value in outputs.rows] == values
    assert outputs.staged.kept_as_text == ()


@pytest.mark.parametrize(
    "text",
    [
        "Our Socks",
        '"a"',
        "null",
        '[["a"]]',
        '{"a": 1}',
        '["a"',
        '["a"] x',
        '["a"]}\n{"list":["b"]',
        '["a"],"other":1',
        "[" * 5000,
        '["\\ud800"]',
    ],
)
def test_one_text_that_is_no_list_of_scalars_keeps_the_column_as_text(text: str) -> None:
    """Lists among them stay as they were written."""
    cells = ['"' + value.replace('"', '""') + '"' for value in ('["a"]', text)]
    outputs = staged(_file(*cells), _column(ColumnKind.TEXT, multiple=True))
    assert [value for _, value in outputs.rows] == ['["a"]', text]
    assert outputs.staged.kept_as_text == (KeptAsText(column="v", row=2, example=text[:200]),)


def test_an_export_is_staged_whole(tmp_path: Path) -> None:
    """Both files, their sizes and hashes, the archive's facts, the metadata, and progress to the last row."""
    body = header() + b"".join(lines(40_000))
    heard: list[int] = []
    result = stage(
        in_pieces(gzip.compress(body, 1), 1 << 16),
        COLUMNS,
        tmp_path,
        limits=Limits(),
        metadata={"botify.analysis": "20240101"},
        on_rows=heard.append,
    )
    assert result.csv is not None
    assert result.parquet is not None
    assert result.csv.path.read_bytes() == body
    for file in (result.csv, result.parquet):
        content = file.path.read_bytes()
        assert (file.size, file.sha256, file.rows) == (len(content), hashlib.sha256(content).hexdigest(), 40_000)
    assert (result.archive.kind, result.rows, result.duplicate_url) == (ArchiveKind.GZIP, 40_000, None)
    assert heard == sorted(heard)
    assert heard[-1] == 40_000
    parquet = pq.ParquetFile(result.parquet.path)
    assert parquet.schema_arrow.metadata[b"botify.analysis"] == b"20240101"
    assert parquet.schema_arrow.field("title").metadata[b"field"] == b"metadata.title.content"
    assert parquet.metadata.num_row_groups > 1
    urls = [record[0] for record in records(body)[1:]]
    assert parquet.read(["url"]).column(0).to_pylist() == urls
    parquet.close()


@pytest.mark.parametrize(
    ("output", "files"),
    [
        (OutputFormat.CSV, ["pages.csv"]),
        (OutputFormat.PARQUET, ["pages.parquet"]),
        (OutputFormat.BOTH, ["pages.csv", "pages.parquet"]),
    ],
)
def test_only_the_files_asked_for_are_left(tmp_path: Path, output: OutputFormat, files: list[str]) -> None:
    """And the rows are checked whichever they are."""
    body = b"url,title\nhttps://x.y/1,a\n"
    result = stage(iter([body]), [URL, TITLE], tmp_path, limits=Limits(), output=output)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert [file.path.name for file in (result.csv, result.parquet) if file] == files
    with pytest.raises(FileRefused):
        stage(iter([body + b"https://x.y/2\n"]), [URL, TITLE], tmp_path, limits=Limits(), output=output)


@pytest.mark.parametrize(
    ("urls", "duplicate"), [("abc", None), ("cab", None), ("abb", "https://b"), ("cabc", "https://c")]
)
def test_a_url_in_two_rows_is_reported(urls: str, duplicate: str | None) -> None:
    """Whether or not the rows are in order."""
    body = b"url,title\n" + "".join(f"https://{url},t\n" for url in urls).encode()
    assert staged(body).staged.duplicate_url == duplicate


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"url,title\nhttps://x.y/1,a\nhttps://x.y/2\n", "Row 2 has 1 columns, not 2"),
        (b"url,title\nhttps://x.y/1,a,b\n", "Row 1 has 3 columns, not 2"),
        (b'url,title\nhttps://x.y/1,"a\nhttps://x.y/2,b\n', "within a quoted value"),
        (b'url,title\nhttps://x.y/1,"a', "within a quoted value"),
        (b'url,title\nhttps://x.y/1,a\n"https://x.y/2\n', "within a quoted value"),
        (b"url,title\nhttps://x.y/1,\xff\n", "not UTF-8"),
        ("url,title\nhttps://x.y/1,é\n".encode("utf-16"), "columns"),
        ("url,title\nhttps://x.y/1,é\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_file_that_is_not_our_table_is_refused(body: bytes, said: str) -> None:
    """Fetching it again would bring the same."""
    with pytest.raises(FileRefused, match=said):
        staged(body)
    with pytest.raises(FileRefused, match=said):
        staged(gzip.compress(body), piece=10)


@pytest.mark.parametrize("rows", [10, 400_000])
def test_a_bad_row_in_a_damaged_archive_is_damage(rows: int) -> None:
    """The row may be bad because of the damage, which shows only at the archive's end: fetching again helps."""
    body = b"url,title\n" + b"".join(b"https://x.y/%d\n" % number for number in range(rows))
    packed = gzip.compress(body, 1)
    with pytest.raises(DownloadDamaged):
        staged(packed[:-8] + bytes(8))
    with pytest.raises(DownloadDamaged):
        staged(gzip.compress(b"other header\n" + body, 1)[:-5])


def test_a_refused_file_is_kept_as_it_came(tmp_path: Path) -> None:
    """It is the evidence for a report."""
    body = b"\xef\xbb\xbfsep=,\r\nlink\r\n" + b"https://x.y/1;a\r\n" * 100_000
    with pytest.raises(FileRefused):
        stage(in_pieces(body, 1 << 16), [URL, TITLE], tmp_path, limits=Limits())
    assert (tmp_path / "pages.csv").read_bytes() == body


@pytest.mark.parametrize("body", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_body_is_damage_and_an_empty_file_is_not(body: bytes) -> None:
    """Only an archive can say that it is whole although it is empty."""
    if body:
        assert staged(body).rows == []
    else:
        with pytest.raises(DownloadDamaged):
            staged(body)


def test_a_zip_is_staged_like_any_other(tmp_path: Path) -> None:
    """And where it was landed nothing is left."""
    body = header() + b"".join(lines(2_000))
    landed = BytesIO()
    with zipfile.ZipFile(landed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/x.csv", body)
    result = stage(in_pieces(landed.getvalue(), 999), COLUMNS, tmp_path, limits=Limits())
    assert (result.rows, result.archive.kind) == (2_000, ArchiveKind.ZIP)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages.csv", "pages.parquet"]


def _breaking(body: bytes, error: BaseException) -> Iterator[bytes]:
    yield body
    raise error


@pytest.mark.parametrize("error", [Interrupted("stopped"), DownloadDamaged("cut"), KeyError("a bug"), SystemExit(1)])
@pytest.mark.parametrize("rows", [0, 1, 100_000])
def test_an_error_of_the_download_is_the_error_of_the_pass(tmp_path: Path, error: BaseException, rows: int) -> None:
    """And no thread is left, however far the others were."""
    before = threading.enumerate()
    body = b"".join(b"https://x.y/%d,1,200,a,b,[]\n" % number for number in range(rows))
    with pytest.raises(type(error)) as raised:
        stage(_breaking(header() + body, error), COLUMNS, tmp_path, limits=Limits())
    assert raised.value is error
    assert threading.enumerate() == before
    assert not (tmp_path / "pages.parquet").exists()


def test_an_error_of_the_caller_ends_the_pass(tmp_path: Path) -> None:
    """The download is closed, and no thread is left."""
    before = threading.enumerate()
    closed = threading.Event()

    def download() -> Iterator[bytes]:
        try:
            yield header()
            while True:
                yield b"https://x.y/1,1,200,a,b,[]\n" * 1_000
        finally:
            closed.set()

    def on_rows(rows: int) -> None:
        raise RuntimeError

    chunks = download()
    with pytest.raises(RuntimeError):
        stage(chunks, COLUMNS, tmp_path, limits=Limits(), on_rows=on_rows)
    assert closed.is_set()
    assert threading.enumerate() == before


def test_a_folder_that_cannot_be_written_to_is_said_so(tmp_path: Path) -> None:
    """With the folder's name and the system's reason."""
    with pytest.raises(DataFolderUnusable, match="No such file or directory"):
        stage(iter([b"url\n"]), [URL], tmp_path / "missing", limits=Limits())


@pytest.mark.parametrize("name", ["pages.csv", "pages.parquet"])
@pytest.mark.parametrize("rows", [1, 100_000])
def test_a_full_disk_is_said_to_be_full(tmp_path: Path, name: str, rows: int) -> None:
    """Whichever file meets it, early or late; and no thread is left."""
    before = threading.enumerate()
    (tmp_path / name).symlink_to("/dev/full")
    body = b"url,title\n" + b"".join(b"https://x.y/%d,a title\n" % number for number in range(rows))
    with pytest.raises(DataFolderUnusable, match="No space left"):
        stage(in_pieces(body, 1 << 16), [URL, TITLE], tmp_path, limits=Limits())
    assert threading.enumerate() == before


def _peak(folder: Path, rows: int, urls: str) -> int:
    """The most that Arrow held after a row group, in bytes."""
    held: list[int] = []
    blocks = ("".join(urls.format(n) for n in range(start, start + 1000)).encode() for start in range(0, rows, 1000))
    result = stage(
        chain((b"url,title\n",), blocks),
        [URL, TITLE],
        folder,
        limits=Limits(),
        on_rows=lambda _: held.append(pa.total_allocated_bytes()),
    )
    assert (result.rows, result.duplicate_url) == (rows, None)
    return max(held)


@pytest.mark.parametrize("urls", ["https://x.y/{0:09d},a title\n", "https://{0}.x.y/,a title\n"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, urls: str) -> None:
    """In Arrow, ten times the rows take no more, in the order of their URLs or not."""
    small, large = (_peak(tmp_path, rows, urls) for rows in (100_000, 1_000_000))
    # How full the queues between the threads are at those moments is chance, of some megabytes; all rows are 25 more.
    assert large - small < 12_000_000
