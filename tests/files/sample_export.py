"""Seeded exports that look like a crawl of a large site: many scripts, quotes, line endings in values, empty cells."""

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

from tasks.exports.columns import Column, ColumnKind

COLUMNS = (
    Column(name="url", field="url", label="Full URL"),
    Column(name="depth", field="depth", label="Depth", kind=ColumnKind.INTEGER),
    Column(name="http_code", field="http_code", label="HTTP Status Code", kind=ColumnKind.INTEGER),
    Column(name="title", field="metadata.title.content", label="Title"),
    Column(name="description", field="metadata.description.content", label="Meta Description"),
    Column(name="h1", field="metadata.h1.contents", label="H1", multiple=True),
)

_WORDS = """
boots sale river garden für Straße été naïve señor città łódź čeština ελληνικά русский українська עברית العربية हिन्दी
ไทย 日本語 中文字符 한국어 🚀 👟 winter leather cheap outdoor waterproof 42 ½ & <b> 'quoted' "quoted" a,b
""".split()  # noqa: SIM905


def lines(rows: int, *, seed: int = 7) -> Iterator[bytes]:
    """The records of an export, without its header; URLs ascend."""
    random_number = random.Random(seed)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    for number in range(rows):
        writer.writerow(_row(number, random_number))
        if number % 1000 == 999 or number == rows - 1:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()


def _row(number: int, random_number: random.Random) -> tuple[object, ...]:
    def words(least: int, most: int) -> str:
        return " ".join(random_number.choices(_WORDS, k=random_number.randint(least, most)))

    slug = "-".join(random_number.choices(("boots", "red", "sale", "women", "leather", "xl"), k=4))
    url = f"https://www.example.com/catalog/{number:09d}/{slug}.html"
    depth = "" if random_number.random() < 0.004 else random_number.randint(0, 30)
    if random_number.random() < 0.14:
        return url, depth, random_number.choice((301, 302, 404, 410, 500)), "", "", ""
    description = words(10, 22)
    if random_number.random() < 0.01:
        description = description.replace(" ", "\r\n", 2)
    headings = json.dumps([words(2, 6) for _ in range(random_number.randint(0, 2))], ensure_ascii=False)
    return url, depth, 200, words(3, 9), description, headings


def header() -> bytes:
    """The header that was asked for."""
    return ",".join(column.name for column in COLUMNS).encode() + b"\r\n"


def write_gzip(path: Path, rows: int) -> None:
    """An export of so many rows, as Botify sends it."""
    with gzip.open(path, "wb", compresslevel=6) as packed:
        packed.write(header())
        packed.writelines(lines(rows))
