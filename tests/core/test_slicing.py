"""Planning an export of the whole analysis, against counts that evaluate the very filters that are written."""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.sandbox.filters import filter_test
from tasks.botify.client import BotifyClient
from tasks.botify.counts import count_by_depth
from tasks.botify.fields import Field, list_fields
from tasks.botify.slicing import plan_slices
from tasks.exports.depth import DepthTable, choose_depth
from tasks.exports.errors import DepthRefused, ExportError, RequestRefused, RowsDiffer
from tasks.exports.filters import Depths, Every, Filter, NoDepth, NumberRange, ToDepth, WithoutValue
from tasks.exports.slices import SlicePlan
from tests.core.conversation import BOOST, NEWEST, client_of, sandbox

pytestmark = pytest.mark.anyio

COLLECTION = "crawl.20260101"
BYTES = Field(id=f"{COLLECTION}.byte_size", type="INTEGER")
RANK = Field(id="internal_page_rank.value", type="integer")  # said to be whole, though it has fractions
CODE = Field(id="http_code", type="int")
FIELDS = (CODE, RANK, BYTES)

Row = dict[str, Any]


@dataclass
class Crawl:
    """An analysis in memory: a row stands for as many URLs as its `weight` says."""

    rows: list[Row]
    asked: list[Filter] = field(default_factory=list)

    def pages(self, only: Filter) -> list[int]:
        """The places of the rows that the filter lets through, as BQL reads it."""

        def reader_of(named: object) -> Any:
            name = str(named).removeprefix(f"{COLLECTION}.")
            return lambda row: row.get(name)

        test = filter_test(only.bql(COLLECTION), reader_of)
        return [place for place, row in enumerate(self.rows) if test(row) is True]

    async def count(self, only: Filter) -> int:
        self.asked.append(only)
        return sum(self.rows[place].get("weight", 1) for place in self.pages(only))

    async def count_all(self) -> int:
        return sum(row.get("weight", 1) for row in self.rows)

    @property
    def table(self) -> DepthTable:
        return DepthTable.of((row["depth"], row.get("weight", 1)) for row in self.rows)


def crawl(rows: Iterable[Row]) -> Crawl:
    """A crawl whose URLs are numbered."""
    return Crawl([{"url": f"https://example.org/{number:04}.html"} | row for number, row in enumerate(rows)])


def divided(plan: SlicePlan) -> int:
    """How many parts were over the limit: each is the beginning of the filters of its slices."""
    beginnings: set[tuple[Filter, ...]] = set()
    for each in plan.slices:
        parts = each.filter.parts if isinstance(each.filter, Every) else (each.filter,)
        beginnings.update(parts[:length] for length in range(1, len(parts)))
    return len(beginnings)


def bound(plan: SlicePlan) -> int:
    """The most slices that the docstring of `plan_slices` allows."""
    return 2 * math.ceil(plan.urls_total / plan.max_rows) + 3 * divided(plan) + 2


def check(botify: Crawl, plan: SlicePlan) -> None:
    """Disjoint, complete, each counted by its own filter and within the limit, and few."""
    pages = [place for each in plan.slices for place in botify.pages(each.filter)]
    assert sorted(pages) == list(range(len(botify.rows)))
    for each in plan.slices:
        assert each.filter in botify.asked
        assert each.rows == sum(botify.rows[place].get("weight", 1) for place in botify.pages(each.filter))
        assert 0 < each.rows <= plan.max_rows
    assert plan.credits == plan.urls_total == botify.table.total
    assert len(plan.slices) <= bound(plan)


NUMBERS = st.one_of(
    st.just(7),
    st.integers(-3, 3),
    st.integers(-(10**6), 10**6),
    st.floats(-50, 50, allow_nan=False),
    st.integers(0, 2**40),
)


@st.composite
def crawls(draw: st.DrawFn) -> Crawl:
    """Any depths, and for each field its own mixture of nulls, ties, fractions and negative numbers."""
    depths = draw(st.lists(st.none() | st.integers(0, 6), min_size=1, max_size=5))
    values = {
        each: draw(st.lists(draw(st.sampled_from([NUMBERS, st.none() | NUMBERS])), min_size=1, max_size=30))
        for each in ("byte_size", "internal_page_rank.value", "http_code")
    }
    chance = draw(st.randoms(use_true_random=False))
    return crawl(
        {"depth": chance.choice(depths)} | {name: chance.choice(them) for name, them in values.items()}
        for _ in range(draw(st.integers(1, 120)))
    )


@settings(max_examples=150, deadline=None)
@given(crawls(), st.integers(1, 60), st.sets(st.sampled_from(FIELDS)))
async def test_whatever_the_crawl_the_slices_are_disjoint_complete_and_within_the_limit(
    botify: Crawl, max_rows: int, fields: set[Field]
) -> None:
    """URLs that differ are always divided, whichever fields there are."""
    plan = await plan_slices(botify, botify.table, fields, max_rows)
    check(botify, plan)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(-(10**7), 10**7), min_size=11, max_size=200), st.integers(10, 60))
async def test_a_field_without_ties_and_nulls_makes_slices_nine_tenths_full(values: set[int], max_rows: int) -> None:
    """The tight bound of a depth that is divided by one field."""
    botify = crawl({"depth": 3, "byte_size": value} for value in values)
    plan = await plan_slices(botify, botify.table, [BYTES], max_rows)
    check(botify, plan)
    full = math.ceil(0.9 * max_rows)
    assert len(plan.slices) <= math.ceil(len(values) / full)


# The documented depths, and deeper ones of ours that make up the documented 2,999,210 URLs.
DOCUMENTED = {0: 10, 1: 550, 2: 28_000, 3: 275_000, 4: 825_000, 5: 660_000}
DEEPER = {6: 495_000, 7: 330_000, 8: 198_000, 9: 110_000, 10: 50_000, 11: 20_000, 12: 7_650}


def sizes(number: int, depth: int) -> list[int]:
    """Sizes spread as those of pages are, most small and a few large; deeper pages are a little smaller."""
    spread = NormalDist(mu=10.5 - depth / 10, sigma=1.2)
    return [round(math.exp(spread.inv_cdf((place + 0.5) / number))) for place in range(number)]


def documented() -> Crawl:
    """The documented site, up to 500 sizes a depth."""
    rows = []
    for depth, urls in (DOCUMENTED | DEEPER).items():
        pieces = min(urls, 500)
        for place, size in enumerate(sizes(pieces, depth)):
            weight = urls * (place + 1) // pieces - urls * place // pieces
            rows.append({"depth": depth, "byte_size": size, "weight": weight})
    return crawl(rows)


@pytest.mark.parametrize(
    ("max_rows", "slices", "counts"),
    [
        (3_000_000, 1, 1),
        (1_000_000, 5, 5),
        (500_000, 8, 14),
        (250_000, 17, 35),
        (82_500, 43, 102),
    ],
)
async def test_the_documented_site_takes_few_jobs_and_few_counts(max_rows: int, slices: int, counts: int) -> None:
    """At the usual limit: 303,560 URLs as ever, and four more jobs for the other 2,695,650; no depth is divided."""
    botify = documented()
    plan = await plan_slices(botify, botify.table, FIELDS, max_rows)
    check(botify, plan)
    assert botify.table.total == 2_999_210
    assert (len(plan.slices), len(botify.asked)) == (slices, counts)


async def test_the_first_slice_is_what_an_export_by_depth_holds() -> None:
    """An export by depth that was paid for is this slice, to the byte."""
    botify = documented()
    plan = await plan_slices(botify, botify.table, FIELDS, 1_000_000)
    by_depth = choose_depth(botify.table, max_rows=1_000_000)
    assert (plan.slices[0].filter, plan.slices[0].rows) == (ToDepth(max_depth=by_depth.max_depth), 303_560)
    assert [(each.filter.in_words(), each.rows) for each in plan.slices[1:]] == [
        ("depth 4", 825_000),
        ("depth 5", 660_000),
        ("depths 6 to 7", 825_000),
        ("depths 8 to 12", 385_650),
    ]


async def test_a_depth_ten_times_over_the_limit_takes_three_counts_a_slice() -> None:
    """Eleven slices, each but the last two as full as is good enough."""
    botify = crawl({"depth": 4, "byte_size": size} for size in sizes(10_000, 4))
    plan = await plan_slices(botify, botify.table, FIELDS, 1000)
    check(botify, plan)
    assert (len(plan.slices), len(botify.asked)) == (11, 29)
    assert not [each.filter for each in plan.slices if isinstance(each.filter, ToDepth)]


async def test_what_has_no_value_is_a_slice_of_its_own_and_is_divided_if_need_be() -> None:
    """A comparison finds no null (§3.1), so `not exists` has to."""
    botify = crawl({"depth": None, "byte_size": None if n % 3 else n, "http_code": n % 5} for n in range(300))
    plan = await plan_slices(botify, botify.table, FIELDS, 100)
    check(botify, plan)
    assert [each.filter.in_words() for each in plan.slices] == [
        "no depth with byte_size",
        "no depth without byte_size, http_code below 2",
        "no depth without byte_size, http_code from 2 to below 4",
        "no depth without byte_size, http_code from 4",
    ]


async def test_ties_are_divided_by_the_next_field_and_at_last_by_the_url() -> None:
    """One value over the limit is a part like any other."""
    botify = crawl({"depth": 1, "byte_size": n // 100, "http_code": 200} for n in range(200))
    plan = await plan_slices(botify, botify.table, FIELDS, 60)
    check(botify, plan)
    assert [each.filter.in_words() for each in plan.slices] == [
        "depth 1, byte_size below 1, the URL's character 6 from the end below 5",
        "depth 1, byte_size below 1, the URL's character 6 from the end from 5",
        "depth 1, byte_size from 1, the URL's character 6 from the end below 5",
        "depth 1, byte_size from 1, the URL's character 6 from the end from 5",
    ]


@pytest.mark.parametrize("single", range(91, 100))
async def test_a_remainder_before_a_large_value_joins_the_slice_before_it(single: int) -> None:
    """A cut that was good enough leaves some URLs, and the value behind them fills a slice by itself."""
    values = [*range(single), *[single] * 100]
    botify = crawl({"depth": 1, "byte_size": value} for value in values)
    plan = await plan_slices(botify, botify.table, FIELDS, 100)
    check(botify, plan)
    assert [each.rows for each in plan.slices] == [single, 100]


async def test_only_fields_with_one_number_a_url_divide() -> None:
    """A metric, a list, the graph of links (a row per link) and texts would be refused or would count twice."""
    others = [
        Field(id="depth", type="integer"),
        Field(id="count_urls_crawl", type="integer", kind="metric"),
        Field(id="metadata.h1.lengths", type="integer", multiple=True),
        Field(id="outlinks_internal.graph.position", type="integer"),
        Field(id="metadata.title.content", type="string"),
        Field(id="anything.nb", type="long", kind="dimension", multiple=False),
    ]
    botify = crawl({"depth": 1} | {each.id: n for each in others if each.id != "depth"} for n in range(200))
    plan = await plan_slices(botify, botify.table, others, 150)
    assert [each.filter.in_words() for each in plan.slices] == [
        "depth 1, anything.nb below 117",
        "depth 1, anything.nb from 117",
    ]
    parts = [part for only in botify.asked if isinstance(only, Every) for part in only.parts]
    assert {part.field for part in parts if isinstance(part, NumberRange | WithoutValue)} == {"anything.nb"}


async def test_a_field_that_botify_does_not_filter_by_is_left_out() -> None:
    """A field list is no promise (§3.6): the next field divides as well."""

    class Refusing(Crawl):
        async def count(self, only: Filter) -> int:
            if "byte_size" in only.in_words():
                raise RequestRefused("Field does not exist")
            return await super().count(only)

    botify = Refusing(crawl({"depth": n % 2, "byte_size": n, "http_code": n} for n in range(400)).rows)
    plan = await plan_slices(botify, botify.table, FIELDS, 150)
    check(botify, plan)
    assert {type(each.filter) for each in plan.slices} == {Every}


async def test_what_nothing_divides_is_refused_with_its_name_and_its_count() -> None:
    """Before anything was sent that costs."""
    botify = Crawl([{"url": "https://example.org/", "depth": 2, "byte_size": 5} for _ in range(20)])
    with pytest.raises(DepthRefused) as refusal:
        await plan_slices(botify, botify.table, FIELDS, 10)
    assert str(refusal.value) == (
        "Depth 2: 20 URLs, more than the limit of 10 rows, and no field nor the end of their URLs divides them."
    )
    assert refusal.value.next_step == "Raise --max-rows."


async def test_an_analysis_without_urls_has_a_plan_without_slices() -> None:
    """Nothing to pay for."""
    botify = Crawl([])
    assert (await plan_slices(botify, botify.table, FIELDS, 10)).slices == ()


@dataclass
class Liar(Crawl):
    """Counts that are off by `error` from the `after`-th on, or only there."""

    after: int = 0
    error: int = 1
    once: bool = True

    async def count(self, only: Filter) -> int:
        rows = await super().count(only)
        number = len(self.asked) - 1
        return rows + self.error if number == self.after or (number > self.after and not self.once) else rows


@settings(max_examples=150, deadline=None)
@given(crawls(), st.integers(5, 60), st.integers(0, 30), st.sampled_from([-1000, -1, 1, 2, 1000]), st.booleans())
async def test_a_wrong_count_is_found_or_does_no_harm(
    honest: Crawl, max_rows: int, after: int, error: int, once: bool
) -> None:
    """Wherever it comes: a plan that is returned is right."""
    botify = Liar(honest.rows, after=after, error=error, once=once)
    try:
        plan = await plan_slices(botify, botify.table, FIELDS, max_rows)
    except (RowsDiffer, DepthRefused):
        assert len(botify.asked) > after
    else:
        check(botify, plan)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 60), st.randoms(use_true_random=False), st.sampled_from([0, 1, 5, 10**6]))
async def test_counts_without_any_sense_end_in_an_error(
    rows: int, max_rows: int, chance: random.Random, most: int
) -> None:
    """Never an endless loop, never a plan."""

    class Nonsense(Crawl):
        async def count(self, only: Filter) -> int:
            self.asked.append(only)
            assert len(self.asked) < 20_000
            return 10**7 + chance.randint(0, most) if most == 1 else chance.randint(0, most)

    botify = Nonsense(crawl({"depth": 1, "byte_size": n} for n in range(rows)).rows)
    try:
        plan = await plan_slices(botify, botify.table, FIELDS, max_rows)
    except ExportError:
        return
    assert plan.credits == rows  # by chance, the counts agreed with one another


async def test_a_depth_that_counts_otherwise_with_its_filter_stops_the_plan_with_both_sums() -> None:
    """The table and the filter of the job have to agree, as for an export by depth (§8.7)."""
    botify = Liar(crawl({"depth": n % 2} for n in range(10)).rows)
    with pytest.raises(RowsDiffer) as stopped:
        await plan_slices(botify, botify.table, FIELDS, 100)
    assert str(stopped.value) == (
        "Botify's counts do not add up: 11 URLs to depth 1, where other counts leave 10. No job was made."
    )


@pytest.mark.parametrize(
    ("after", "sums"),
    [
        (0, "1,000 URLs depth 1 without byte_size, but 200 depth 1"),
        (1, "1,200 URLs depth 1, byte_size below 1,024, where other counts leave 0 to 200"),
    ],
)
async def test_a_part_that_counts_more_than_the_whole_stops_the_plan_at_once(after: int, sums: str) -> None:
    """Nothing is asked after a count that cannot be."""
    botify = Liar(crawl({"depth": 1, "byte_size": n} for n in range(200)).rows, after=after, error=1000)
    with pytest.raises(RowsDiffer) as stopped:
        await plan_slices(botify, botify.table, FIELDS, 100)
    assert str(stopped.value) == f"Botify's counts do not add up: {sums}. No job was made."
    assert len(botify.asked) == after + 1


async def test_a_table_that_is_not_the_whole_stops_the_plan_before_anything_else_is_asked() -> None:
    """The count of the whole is asked for separately."""
    botify = crawl({"depth": n} for n in range(10))
    with pytest.raises(RowsDiffer, match=r"add up: 10 URLs in all, but 9 by depth\. No job was made\."):
        await plan_slices(botify, DepthTable.of((n, 1) for n in range(9)), FIELDS, 100)
    assert not botify.asked


@dataclass
class SandboxCounts:
    """Asks the sandbox, which knows nothing of the client's filters."""

    client: BotifyClient

    async def _query(self, page: int = 1, **query: Any) -> Any:
        body: Any = {"collections": [f"crawl.{NEWEST}"], "query": {"dimensions": [], "metrics": []} | query}
        path = ("projects", BOOST.org, BOOST.project, "query")
        answer = await self.client.send("POST", path, params={"page": page, "size": 2000}, body=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def count(self, only: Filter | None) -> int:
        filters = only.bql(f"crawl.{NEWEST}") if only else {}
        answer = await self._query(metrics=[f"crawl.{NEWEST}.count_urls_crawl"], filters=filters)
        return int(answer["results"][0]["metrics"][0])

    async def count_all(self) -> int:
        return await self.count(None)

    async def urls(self, only: Filter) -> list[str]:
        urls: list[str] = []
        answer: Mapping[str, Any] = {"next": "first"}
        while answer["next"]:
            page = len(urls) // 2000 + 1
            answer = await self._query(page, dimensions=["url"], filters=only.bql(f"crawl.{NEWEST}"))
            urls += [row["dimensions"][0] for row in answer["results"]]
        return urls


@pytest.mark.parametrize(("scale", "with_fields"), [(4, True), (1, False)])
async def test_the_slices_of_the_real_crawl_hold_every_url_once(scale: int, with_fields: bool) -> None:
    """Each planned filter is executed by the sandbox; without fields, the URLs alone divide."""
    async with client_of(sandbox(scale=scale, null_depth_rows=1100), requests_per_second=1000) as client:
        botify = SandboxCounts(client)
        fields = (await list_fields(client, BOOST, NEWEST)).values() if with_fields else ()
        plan = await plan_slices(botify, await count_by_depth(client, BOOST, NEWEST), fields, 1000)
        urls = {each.filter: await botify.urls(each.filter) for each in plan.slices}
    assert [len(them) for them in urls.values()] == [each.rows for each in plan.slices]
    assert max(each.rows for each in plan.slices) <= 1000
    together = [url for them in urls.values() for url in them]
    assert len(together) == len(set(together)) == plan.urls_total == scale * (3811 + 1100)
    assert len(plan.slices) <= bound(plan)
    kinds = {type(part) for each in plan.slices if isinstance(each.filter, Every) for part in each.filter.parts}
    assert {Depths, NoDepth} < kinds
    assert (NumberRange in kinds) is with_fields
