"""A seeded export of a large site, of any size: many scripts, doubled quotes, line endings in values, empty cells.

It has the measures of the data that data-plane.md §1 describes: 311 bytes a row; gzip makes them a fifth.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tasks.exports.columns import Column, ColumnKind

COLUMNS: Final = (
    Column(name="url", field="url", label="Full URL"),
    Column(name="depth", field="depth", label="Depth", kind=ColumnKind.INTEGER),
    Column(name="http_code", field="http_code", label="HTTP Status Code", kind=ColumnKind.INTEGER),
    Column(name="title", field="metadata.title.content", label="Title"),
    Column(name="meta_description", field="metadata.description.content", label="Meta Description"),
    Column(name="h1", field="metadata.h1.contents", label="H1", multiple=True),
)

_WORDS: Final = """
boots sale river garden für Straße été naïve señor città łódź čeština ελληνικά русский українська עברית العربية हिन्दी
ไทย 日本語 中文字符 한국어 🚀 👟 winter leather cheap outdoor waterproof NA None null 42 ½ & <b> 'quoted' "quoted" a,b
delivery returns free brand collection spring size colour 2026 women men kids shoes review offer price wide narrow
""".split()  # noqa: SIM905
_PAGES: Final = 20_000  # distinct ones: far more than gzip or zstd look back over
_ROWS_AT_ONCE: Final = 10_000


def write_gzip(path: Path, rows: int) -> None:
    """Write an export of so many rows as Botify sends it: one gzip member, level 6."""
    with gzip.open(path, "wb", compresslevel=6) as packed:
        packed.write(",".join(column.name for column in COLUMNS).encode() + b"\n")
        packed.writelines(_lines(rows))


def _lines(rows: int) -> Iterator[bytes]:
    chance = random.Random(4)
    pages = [_page(chance) for _ in range(_PAGES)]
    for start in range(0, rows, _ROWS_AT_ONCE):
        numbers = range(start, min(rows, start + _ROWS_AT_ONCE))
        chosen = chance.choices(pages, k=len(numbers))
        yield b"".join(b"https://www.example.com/catalog/%09d/%b" % pair for pair in zip(numbers, chosen, strict=True))


def _page(chance: random.Random) -> bytes:
    """All of a row but the beginning of its URL, by which rows ascend."""

    def words(least: int, most: int) -> str:
        return " ".join(chance.choices(_WORDS, k=chance.randint(least, most)))

    slug = "-".join(chance.choices(("boots", "red", "sale", "women", "leather", "xl", "outlet"), k=4)) + ".html"
    depth = "" if chance.random() < 0.004 else chance.randint(0, 30)
    if chance.random() < 0.14:
        return _line(slug, depth, chance.choice((301, 302, 404, 410, 500)), "", "", "")
    description = words(16, 33)
    if chance.random() < 0.01:
        description = description.replace(" ", "\r\n", 2)
    headings = json.dumps([words(2, 6) for _ in range(chance.randint(0, 2))], ensure_ascii=False)
    return _line(slug, depth, 200, words(3, 9), description, headings)


def _line(*cells: object) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
