"""Counting URLs with BQL queries, which cost nothing (botify-api.md §3)."""

from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from tasks.botify.client import BotifyClient
from tasks.botify.paging import Page, pages
from tasks.exports.depth import DepthPlan, DepthTable, choose_depth
from tasks.exports.errors import RowsDiffer
from tasks.exports.filters import Filter, ToDepth
from tasks.exports.project_address import ProjectAddress

PAGE_SIZE: Final = 500


class Row(BaseModel):
    """One row of an answer: positional values, dimensions before metrics (§3.2)."""

    model_config = ConfigDict(frozen=True)

    dimensions: list[JsonValue]
    metrics: list[int]


_PAGE: Final = TypeAdapter(Page[Row])


async def count_by_depth(client: BotifyClient, address: ProjectAddress, analysis: str) -> DepthTable:
    """Count the URLs at each depth; the rows whose depth is no number are the URLs without one (§3.2)."""
    collection = f"crawl.{analysis}"
    depth = f"{collection}.depth"
    query: dict[str, JsonValue] = {"dimensions": [depth], "sort": [{"field": depth, "order": "asc"}]}
    rows = await _count(client, address, collection, query, f"The depths of {address} {analysis}")
    return DepthTable.of((_as_depth(row.dimensions[0]), row.metrics[0]) for row in rows)


async def count_urls(client: BotifyClient, address: ProjectAddress, analysis: str, only: Filter) -> int:
    """Count the URLs that the filter lets through, with the very filter object that the export uses."""
    collection = f"crawl.{analysis}"
    query: dict[str, JsonValue] = {"dimensions": [], "filters": only.bql(collection)}
    rows = await _count(client, address, collection, query, f"The URLs of {address} {analysis} {only.in_words()}")
    return sum(row.metrics[0] for row in rows)


async def count_all(client: BotifyClient, address: ProjectAddress, analysis: str) -> int:
    """Count all URLs of the analysis."""
    rows = await _count(client, address, f"crawl.{analysis}", {"dimensions": []}, f"The URLs of {address} {analysis}")
    return sum(row.metrics[0] for row in rows)


async def _count(
    client: BotifyClient, address: ProjectAddress, collection: str, query: dict[str, JsonValue], what: str
) -> list[Row]:
    body: JsonValue = {"collections": [collection], "query": query | {"metrics": [f"{collection}.count_urls_crawl"]}}
    path = ("projects", address.org, address.project, "query")
    params: dict[str, str | int] = {"page": 1, "size": PAGE_SIZE}
    return [row async for rows in pages(client, what, path, _PAGE, params=params, query=body) for row in rows]


def _as_depth(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


async def plan_depth(
    client: BotifyClient, address: ProjectAddress, analysis: str, *, max_rows: int, max_depth: int | None
) -> DepthPlan:
    """Choose the depth, and ask its count again with the very filter that the export will use.

    Raises DepthRefused, RowsDiffer (the two counts are not the same: an export could be cut), BotifyRefused.
    """
    table = await count_by_depth(client, address, analysis)
    plan = choose_depth(table, max_rows=max_rows, max_depth=max_depth)
    counted = await count_urls(client, address, analysis, ToDepth(max_depth=plan.max_depth))
    if counted != plan.rows:
        raise RowsDiffer(
            f"Botify counts {plan.rows:,} URLs to depth {plan.max_depth} by depth, but {counted:,} with the "
            "filter of the export. No job was made.",
            next_step="Run again later; if it stays, ask Botify's support about this analysis.",
        )
    return plan
