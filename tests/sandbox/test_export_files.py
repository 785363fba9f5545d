import gzip
import io
import zipfile
import zlib
from typing import Any

import pytest

from tests.sandbox.conversation import (
    AT_DEPTH_1,
    COUNT,
    CRAWL,
    DEPTH,
    H1,
    TITLE,
    URLS_AT_DEPTH_1,
    bql,
    export,
    table,
    talking,
)

pytestmark = pytest.mark.anyio

ASKED = {"print_header": True, "print_delimiter": True, "header_format": "slug"}
TOP = {"field": DEPTH, "value": 0}


async def test_by_default_the_file_is_gzip_without_header_and_separator_line() -> None:
    """§4.3, §10: only data rows, columns in the order asked for."""
    async with talking() as botify:
        rows = table(gzip.decompress(await botify.file()))
    assert len(rows) == URLS_AT_DEPTH_1
    assert rows[0] == ["https://www.boost.org/doc/libs/1_74_0/doc/html/about.html", "1"]


async def test_the_file_holds_what_the_query_answers() -> None:
    """§4.1: an export is the same BQL; grouped rows included (§3.1)."""
    query = bql([DEPTH], [COUNT], sort=[{"index": 0, "order": "desc"}])
    async with talking() as botify:
        rows = table(await botify.text(export(query)))
        assert rows == [[str(value) for value in row] for row in await botify.rows(query)]


@pytest.mark.parametrize(
    ("header_format", "header"),
    [
        ("verbose", ["Full URL", "Depth", "My title"]),
        ("slug", ["url", "depth", "metadata.title.content"]),
        ("collection_slug", [f"{CRAWL}.url", DEPTH, TITLE]),
    ],
)
async def test_the_header_has_three_formats(header_format: str, header: list[str]) -> None:
    """§4.6, §8.2: verbose, slug, collection_slug; `name` is the verbose label (§3.1)."""
    query = bql([f"{CRAWL}.url", DEPTH, {"field": TITLE, "name": "My title"}], filters=TOP)
    config = {"print_header": True, "header_format": header_format}
    async with talking() as botify:
        assert table(await botify.text(export(query, formatter_config=config)))[0] == header


async def test_the_separator_line_comes_before_the_header() -> None:
    """§4.3: `print_header` and `print_delimiter` give `sep=` and header; the delimiter is honoured."""
    config = ASKED | {"delimiter": ";"}
    async with talking() as botify:
        text = await botify.text(export(formatter_config=config))
    assert text.splitlines()[:2] == [b"sep=;", b"url;depth"]


@pytest.mark.parametrize(
    ("switches", "asked", "lines"),
    [
        ({"docs_csv_defaults": True}, {}, [b"sep=,", b"Full URL,Depth"]),
        ({"docs_csv_defaults": True}, {"print_header": False}, [b"sep=,", b"https"]),
        ({"separator_line": "always"}, {"print_delimiter": False, "print_header": True}, [b"sep=,", b"Full URL,Depth"]),
        ({"separator_line": "never"}, ASKED, [b"url,depth", b"https"]),
        ({"header": "always"}, {"print_header": False}, [b"Full URL,Depth", b"https"]),
        ({"header": "never"}, ASKED, [b"sep=,", b"https"]),
        ({"header_format_ignored": True}, ASKED, [b"sep=,", b"Full URL,Depth"]),
    ],
)
async def test_what_is_printed_may_not_be_what_was_asked(
    switches: dict[str, Any], asked: dict[str, Any], lines: list[bytes]
) -> None:
    """§8.1, §8.2, §10: the docs and the server disagree; a file may start with anything."""
    async with talking(**switches) as botify:
        found = (await botify.text(export(formatter_config=asked))).splitlines()
    assert [line[: len(start)] for line, start in zip(found, lines, strict=False)] == lines


@pytest.mark.parametrize(
    ("list_text", "two", "none"),
    [
        ("json", '["Orphan 1", "No links lead here"]', "[]"),
        ("joined", "Orphan 1 | No links lead here", ""),
        ("first", "Orphan 1", ""),
    ],
)
async def test_lists_have_several_spellings(list_text: str, two: str, none: str) -> None:
    """§3.7, §9.10: not documented for CSV."""
    ends = {"predicate": "ends", "field": "url"}
    filters = {"or": [ends | {"value": "/orphan/0001.html"}, ends | {"value": "/html/accumulators.html"}]}
    async with talking(list_text=list_text, null_depth_rows=1) as botify:
        rows = table(await botify.text(export(bql(["url", H1], filters=filters))))
    assert [cell for _, cell in rows] == [none, two]


async def test_booleans_and_nulls_have_several_spellings() -> None:
    """§3.7: `True`/`true`, empty cell presumed."""
    query = bql(
        ["url", f"{CRAWL}.compliant.is_compliant", DEPTH], filters={"not": {"field": DEPTH, "predicate": "exists"}}
    )
    async with talking(null_depth_rows=1) as botify:
        assert table(await botify.text(export(query)))[0][1:] == ["true", ""]
    async with talking(null_depth_rows=1, boolean_text="title", null_text="null") as botify:
        assert table(await botify.text(export(query)))[0][1:] == ["True", "null"]


async def test_the_file_may_start_with_a_mark_and_have_windows_line_endings() -> None:
    """§9.10: BOM and line ending are not documented."""
    async with talking(byte_order_mark=True, line_ending="crlf") as botify:
        text = await botify.text(export(formatter_config=ASKED))
    assert text.startswith(b"\xef\xbb\xbfsep=,\r\nurl,depth\r\nhttps")
    assert text.count(b"\r\n") == text.count(b"\n") == URLS_AT_DEPTH_1 + 2


async def test_zip_is_made_on_demand_as_botify_makes_it() -> None:
    """§4.7: `extra_config.compression` zip; streamed, with the date 1980-01-01 and the mode 0600."""
    async with talking() as botify:
        job = await botify.create(export(extra_config={"compression": "zip"}))
        link = await botify.link(job)
        content = (await botify.download(link)).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (member,) = archive.infolist()
        assert len(table(archive.read(member))) == URLS_AT_DEPTH_1
    assert (member.date_time, member.external_attr >> 16) == ((1980, 1, 1, 0, 0, 0), 0o600)
    assert (member.flag_bits & 0x08, member.compress_type) == (0x08, zipfile.ZIP_DEFLATED)
    assert link.endswith(".csv.zip")


async def test_filetype_is_only_obeyed_when_switched() -> None:
    """§4.7, §9.11: whether `filetype` works beside `compression` is unknown."""
    asked = export(extra_config={"filetype": "zip"})
    async with talking() as botify:
        assert (await botify.file(asked)).startswith(b"\x1f\x8b")
    async with talking(filetype_works=True) as botify:
        assert (await botify.file(asked)).startswith(b"PK\x03\x04")


async def test_the_packing_may_not_be_what_was_asked() -> None:
    """§4.7: decide by magic bytes, not by the asked option or the URL."""
    files = {}
    for compression in ("gzip", "gzip-members", "zip-stored", "zip-streamed", "plain"):
        async with talking(compression=compression) as botify:
            files[compression] = await botify.file(export(bql(["url"]), export_size=2500))
    plain = files["plain"]
    assert len(table(plain)) == 2500
    first_member = zlib.decompressobj(wbits=31)
    first_member.decompress(files["gzip-members"])
    assert first_member.unused_data.startswith(b"\x1f\x8b")
    assert gzip.decompress(files["gzip"]) == gzip.decompress(files["gzip-members"]) == plain
    for name, flag in (("zip-stored", 0), ("zip-streamed", 0x08)):
        with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
            (member,) = archive.infolist()
            assert archive.read(member) == plain
            assert member.flag_bits & 0x08 == flag


async def test_without_sort_the_order_may_be_any() -> None:
    """§9.9: row order without sort, and which rows survive a cut."""
    async with talking() as botify:
        in_order = table(await botify.text())
    async with talking(row_order="shuffled") as botify:
        shuffled = table(await botify.text())
        survivors = table(await botify.text(export(export_size=10)))
    assert sorted(shuffled) == sorted(in_order) != shuffled
    assert survivors == shuffled[:10]


@pytest.mark.parametrize("offset", [-3, 2])
async def test_the_file_may_hold_other_rows_than_were_counted(offset: int) -> None:
    """§8.7: count first, compare after."""
    async with talking(export_rows_offset=offset) as botify:
        rows = table(await botify.text())
        assert len({tuple(row) for row in rows}) == len(rows) == URLS_AT_DEPTH_1 + offset
        assert await botify.rows(bql([], [COUNT], filters=AT_DEPTH_1)) == [[URLS_AT_DEPTH_1]]
        assert botify.sandbox.credits == len(rows)


async def test_a_scaled_crawl_is_exported_whole() -> None:
    """§7.1: large crawls, here 3 times the real one."""
    async with talking(scale=3) as botify:
        rows = table(await botify.text())
    assert len({row[0] for row in rows}) == len(rows) == 3 * URLS_AT_DEPTH_1
