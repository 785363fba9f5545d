"""The pages of a crawl: two real ones, and what the switches make of them."""

import csv
import gzip
import json
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from deployments.sandbox.behaviour import Behaviour, RowOrder

HERE = Path(__file__).parent
CRAWL_FILES = {"www.boost.org": "boost.csv.gz", "www.postgresql.org": "postgresql.csv.gz"}


def project_names(mirrors: int) -> Iterator[str]:
    """The projects with a real crawl, and so many mirrors of each: 1.www.boost.org, 2.www.boost.org, ..."""
    yield from CRAWL_FILES
    yield from (f"{number}.{project}" for number in range(1, mirrors + 1) for project in CRAWL_FILES)


class Page(NamedTuple):
    """One crawled URL; None where the crawl has no value."""

    url: str
    depth: int | None
    http_code: int
    content_type: str | None
    byte_size: int
    title: str | None
    description: str | None
    h1: tuple[str, ...]
    outlinks: int
    date_crawled: str | None = None
    copies: int = 1
    """How many URLs it stands for: `url`, `url?copy=1`, ..."""

    @property
    def is_compliant(self) -> bool:
        return self.http_code == 200 and self.content_type == "text/html"

    @property
    def pagetype(self) -> str:
        """The two innermost folders, as a tree path."""
        folders = urlsplit(self.url).path.strip("/").split("/")[:-1]
        return "/".join(folders[-2:])


@lru_cache
def real_crawl(project: str) -> tuple[Page, ...]:
    """The whole crawl of one of the projects in `CRAWL_FILES`, in the order it was crawled."""
    in_wheel = HERE / "crawls" / CRAWL_FILES[project]
    in_checkout = HERE.parents[1] / "data" / "crawls" / CRAWL_FILES[project]
    path = in_wheel if in_wheel.exists() else in_checkout
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return tuple(_page(row) for row in csv.DictReader(file))


def _page(row: dict[str, str]) -> Page:
    return Page(
        url=row["url"],
        depth=int(row["depth"]) if row["depth"] else None,
        http_code=int(row["http_code"]),
        content_type=row["content_type"] or None,
        byte_size=int(row["byte_size"]),
        title=row["title"] or None,
        description=row["meta_description"] or None,
        h1=tuple(json.loads(row["h1"] or "[]")),
        outlinks=int(row["nb_outlinks"]),
    )


class Crawl:
    """The pages of one analysis, as the switches of `behaviour` want them."""

    def __init__(self, project: str, slug: str, share: int, behaviour: Behaviour) -> None:
        """`share` is the percentage of the real crawl that this analysis has: always the same URLs."""
        orphans = [_orphan(project, number) for number in range(1, behaviour.null_depth_rows + 1)]
        mirrored = next(real for real in CRAWL_FILES if project.endswith(real))
        self._pages = [*_dated_pages(mirrored, slug, share), *orphans]
        self._behaviour = behaviour
        self._seed = slug

    def __len__(self) -> int:
        duplicates = min(self._behaviour.duplicate_urls, len(self._pages))
        return len(self._pages) * self._behaviour.scale + duplicates

    def __iter__(self) -> Iterator[Page]:
        """Pages that stand for `scale` URLs each; a duplicate is the neighbour of its original."""
        doubled = {page.url for page in self._pages[: self._behaviour.duplicate_urls]}
        for page in self._ordered():
            yield page._replace(copies=self._behaviour.scale)
            if page.url in doubled:
                yield _duplicate(page)

    def _ordered(self) -> Sequence[Page]:
        if self._behaviour.row_order is RowOrder.CRAWL:
            return self._pages
        return random.Random(self._seed).sample(self._pages, len(self._pages))  # noqa: S311 - an order, not a secret


@lru_cache
def _dated_pages(project: str, slug: str, share: int) -> tuple[Page, ...]:
    start = datetime.strptime(slug[:8], "%Y%m%d").replace(hour=6, tzinfo=UTC)
    chosen = [page for page in real_crawl(project) if _is_chosen(page, slug, share)]
    return tuple(
        page._replace(date_crawled=f"{start + timedelta(seconds=second):%Y-%m-%d %H:%M:%SZ}")
        for second, page in enumerate(chosen)
    )


def copies_of(url: str, number: int) -> Iterator[str]:
    """The URLs that a page with so many copies stands for."""
    yield url
    for copy in range(1, number):
        yield f"{url}?copy={copy}"


def one_by_one(pages: Iterable[Page]) -> Iterator[Page]:
    """Every URL as a page of its own."""
    for page in pages:
        for url in copies_of(page.url, page.copies):
            yield page._replace(url=url, copies=1)


def _is_chosen(page: Page, slug: str, share: int) -> bool:
    return page.depth == 0 or zlib.crc32(f"{slug[:8]} {page.url}".encode()) % 100 < share


def _orphan(project: str, number: int) -> Page:
    url, title = f"https://{project}/orphan/{number:04}.html", f"Orphan {number}"
    return Page(url, None, 200, "text/html", 1000 + number, title, None, (title, "No links lead here"), 0)


def _duplicate(page: Page) -> Page:
    depth = None if page.depth is None else page.depth + 1
    return page._replace(depth=depth, title=f"{page.title or ''} (again)")
