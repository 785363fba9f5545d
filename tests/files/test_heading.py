"""The start of a file: BOM, `sep=` line and header, there or not."""

import pytest

from tasks.exports.columns import Column
from tasks.exports.errors import FileRefused
from tests.files.staged_bytes import URL, staged

DATA = b'https://x.y/1,"a\r\nb"\r\nhttps://x.y/2,c\r\n'
ROWS = [("https://x.y/1", "a\r\nb"), ("https://x.y/2", "c")]
ASKED = b"url,title\r\n"


@pytest.mark.parametrize("piece", [1, 1 << 16])
@pytest.mark.parametrize(
    ("start", "normalised"),
    [
        (ASKED, ()),
        (b"", ("header added",)),
        (b"sep=,\r\n" + ASKED, ("sep= line removed",)),
        (b'"sep=,"\r\n' + ASKED, ("sep= line removed",)),
        (b"sep=,\r\n", ("sep= line removed", "header added")),
        (b"\xef\xbb\xbf" + ASKED, ("BOM removed",)),
        (b"\xef\xbb\xbfsep=,\r\n" + ASKED, ("BOM removed", "sep= line removed")),
        (b"Full URL,Title\r\n", ("header renamed",)),
        (b"url,metadata.title.content\r\n", ("header renamed",)),
        (b"crawl.20240101.url,crawl.20240101-2.metadata.title.content\r\n", ("header renamed",)),
        (b"URL of page,Titre\r\n", ("header renamed",)),
    ],
)
def test_every_start_becomes_the_header_asked_for(start: bytes, normalised: tuple[str, ...], piece: int) -> None:
    """And what stands after it stays as it is."""
    outputs = staged(start + DATA, piece=piece)
    assert outputs.csv == ASKED + DATA
    assert outputs.rows == ROWS
    assert outputs.staged.normalised == normalised


def test_the_header_ends_like_the_file() -> None:
    """With LF where the file has LF."""
    assert staged(b"https://x.y/1,a\nhttps://x.y/2,b\n").csv.startswith(b"url,title\nhttps")


@pytest.mark.parametrize(
    ("body", "csv"),
    [
        (b"url,title\r\n", b"url,title\r\n"),
        (b"url,title", b"url,title"),
        (b'"url","title"\n', b'"url","title"\n'),
        (b"sep=,\r\nurl,title\r\n", b"url,title\r\n"),
        (b"sep=,\r\n", b"url,title\n"),
    ],
)
def test_a_file_without_rows_is_a_file(body: bytes, csv: bytes) -> None:
    """How many rows there should be is for the caller to say."""
    assert staged(body)[1:] == (csv, [])


def test_a_name_is_quoted_where_csv_wants_it() -> None:
    """Our header is the asked names, as one record of the asked width."""
    columns = [URL, Column(name='a "b", c', field="x")]
    assert staged(b"https://x.y/1,v\n", columns).csv == b'url,"a ""b"", c"\nhttps://x.y/1,v\n'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"url\r\nhttps://x.y/1\r\n", "1 columns, not the 2"),
        (b"url,title,h1\r\n", "3 columns, not the 2"),
        (b"\r\nurl,title\r\n", "0 columns"),
        (b"<html><body>Not Found</body></html>\n", "1 columns"),
        (b"PK\x03", "1 columns"),
        (b"title,url\r\na,https://x.y/1\r\n", "'title' where 'url'"),
        (b"Titre,Full URL\r\n", "'Full URL' where 'title'"),
        (b"sep=;\r\nurl;title\r\n", "another delimiter"),
        (b'"url,title\r\nhttps://x.y/1,a\r\n', "within a quoted value"),
    ],
)
def test_a_start_that_fits_nothing_is_refused(body: bytes, said: str) -> None:
    """Above all one that names our columns in another order."""
    with pytest.raises(FileRefused, match=said):
        staged(body)


def test_a_long_first_value_is_no_obstacle() -> None:
    """Nor is one with line endings, in a file without header."""
    title = "a,\r\n" * 500_000
    outputs = staged(b'https://x.y/1,"' + title.encode() + b'"\r\n')
    assert outputs.rows == [("https://x.y/1", title)]
    assert outputs.staged.normalised == ("header added",)


@pytest.mark.parametrize("length", range(45, 55))
def test_a_line_ending_may_lie_across_any_two_chunks(length: int) -> None:
    """An added header ends like the first record, whose LF may not have come yet."""
    body = b"https://x.y/1," + b"x" * length + b"\r\n" + DATA
    assert staged(body, piece=1).csv == ASKED + body
