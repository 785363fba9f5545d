"""Counting URLs (botify-api.md §3)."""

import json

import httpx
import pytest

from deployments.sandbox import Route
from tasks.botify.client import BotifyClient
from tasks.botify.counts import count_by_depth, count_urls, plan_depth
from tasks.exports.errors import RowsDiffer
from tasks.exports.filters import ToDepth
from tests.core.conversation import BOOST, NEWEST, client_of, request, sandbox

pytestmark = pytest.mark.anyio


async def test_the_depths_of_the_real_crawl_are_counted() -> None:
    """§3.2: one row a depth, positional values; the crawl's README gives the numbers."""
    async with client_of(sandbox()) as client:
        table = await count_by_depth(client, BOOST, NEWEST)
    assert table.total == 3811
    assert [count.depth for count in table.counts] == list(range(8))
    assert table.without_depth == 0


async def test_every_page_of_the_count_is_read() -> None:
    """§3.4: a page may be smaller than asked for."""
    botify = sandbox(query_size_limit=3)
    async with client_of(botify) as client:
        assert (await count_by_depth(client, BOOST, NEWEST)).total == 3811
    assert [seen.query["page"] for seen in botify.requests] == ["1", "2", "3"]


async def test_urls_without_a_depth_are_counted_apart() -> None:
    """§3.2, §8.8: a depth filter loses them, so they are reported as not covered."""
    async with client_of(sandbox(null_depth_rows=7)) as client:
        plan = await plan_depth(client, BOOST, NEWEST, max_rows=1000, max_depth=None)
    assert (plan.rows, plan.table.without_depth, plan.urls_total) == (494, 7, 3818)
    assert "7 URLs have no depth and are not covered" in plan.in_words()


async def test_the_count_is_asked_again_with_the_filter_of_the_export() -> None:
    """One function makes the filter of both, so that they cannot drift."""
    botify = sandbox()
    async with client_of(botify) as client:
        await plan_depth(client, BOOST, NEWEST, max_rows=1000, max_depth=None)
    counted = json.loads([seen for seen in botify.requests if seen.route is Route.QUERY][-1].body)["query"]
    exported = request(max_depth=2).payload()["query"]
    assert isinstance(exported, dict)
    assert isinstance(exported["query"], dict)
    assert counted["dimensions"] == []
    assert counted["filters"] == exported["query"]["filters"]


async def test_two_counts_that_differ_stop_the_export_before_it_costs() -> None:
    """A page lost on the way would otherwise cut the export silently (§8.7)."""

    def answer(asked: httpx.Request) -> httpx.Response:
        by_depth = json.loads(asked.content)["query"]["dimensions"]
        rows = [{"dimensions": [0], "metrics": [5]}] if by_depth else [{"dimensions": [], "metrics": [6]}]
        return httpx.Response(200, json={"results": rows, "next": None})

    async with BotifyClient(client_of(sandbox()).settings, transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(RowsDiffer, match="counts 5 URLs to depth 0 by depth, but 6 with the filter"):
            await plan_depth(client, BOOST, NEWEST, max_rows=1000, max_depth=None)


async def test_no_url_at_all_counts_as_zero() -> None:
    """An aggregate over nothing may be no row (§3.2 is silent)."""
    async with client_of(sandbox()) as client:
        assert await count_urls(client, BOOST, NEWEST, ToDepth(max_depth=-1)) == 0
