"""The fields of a crawl collection (botify-api.md §3.6)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deployments.sandbox.crawl import Page

Value: TypeAlias = str | int | float | bool | tuple[str, ...] | None


@dataclass(frozen=True)
class CrawlField:
    """A field: its id without the collection, the name that verbose headers print, and its value on a page."""

    id: str
    name: str
    type: Literal["STRING", "INTEGER", "BOOLEAN", "DATETIME"]
    value: Callable[[Page], Value]
    multiple: bool = False
    kind: Literal["dimension", "metric"] = "dimension"

    def as_json(self, prefix: str) -> dict[str, object]:
        """The entry of the field list; `prefix` is the collection with its dot, or nothing."""
        entry = {"id": prefix + self.id, "name": self.name, "type": self.type, "subtype": None}
        return entry | {"multiple": self.multiple, "kind": self.kind, "permissions": ["select", "filter"]}


COUNT = CrawlField("count_urls_crawl", "No. of Crawled URLs", "INTEGER", lambda page: 1, kind="metric")

_ALL = (
    CrawlField("url", "Full URL", "STRING", lambda page: page.url),
    CrawlField("depth", "Depth", "INTEGER", lambda page: page.depth),
    CrawlField("http_code", "HTTP Status Code", "INTEGER", lambda page: page.http_code),
    CrawlField("content_type", "Content Type", "STRING", lambda page: page.content_type),
    CrawlField("byte_size", "Byte Size", "INTEGER", lambda page: page.byte_size),
    CrawlField("date_crawled", "Date Crawled", "DATETIME", lambda page: page.date_crawled),
    CrawlField("metadata.title.content", "Title", "STRING", lambda page: page.title),
    CrawlField("metadata.title.len", "Title Length", "INTEGER", lambda page: len(page.title or "")),
    CrawlField("metadata.title.nb", "No. of Titles", "INTEGER", lambda page: int(page.title is not None)),
    CrawlField("metadata.description.content", "Meta Description", "STRING", lambda page: page.description),
    CrawlField("metadata.h1.contents", "H1", "STRING", lambda page: page.h1, multiple=True),
    CrawlField("metadata.h1.nb", "No. of H1", "INTEGER", lambda page: len(page.h1)),
    CrawlField("outlinks_internal.nb.total", "No. of Internal Outlinks", "INTEGER", lambda page: page.outlinks),
    CrawlField("segments.pagetype.value", "Pagetype", "STRING", lambda page: page.pagetype),
    CrawlField("compliant.is_compliant", "Is Compliant", "BOOLEAN", lambda page: page.is_compliant),
    COUNT,
)

FIELDS = {field.id: field for field in _ALL}

GLOBAL_PREFIXES = ("url", "segments.")
"""What may stand without its collection beside a crawl collection (botify-api.md §3.1)."""
