import pytest

from tests.sandbox.conversation import (
    AT_DEPTH_1,
    COUNT,
    CRAWL,
    DEPTH,
    H1,
    TITLE,
    URLS,
    URLS_AT_DEPTH_1,
    Json,
    bql,
    talking,
)

pytestmark = pytest.mark.anyio

CODE = f"{CRAWL}.http_code"


def where(predicate: str, value: Json = None, field: str = DEPTH) -> dict[str, Json]:
    return {"field": field, "predicate": predicate, "value": value}


async def test_urls_are_counted_by_depth() -> None:
    """§3.2: one row per depth, positional."""
    async with talking() as botify:
        rows = await botify.rows(bql([DEPTH], [{"field": COUNT}], sort=[{"field": DEPTH, "order": "asc"}]))
    assert rows == [[0, 1], [1, 53], [2, 440], [3, 3082], [4, 230], [5, 2], [6, 2], [7, 1]]


async def test_the_answer_has_pages_and_a_count_only_when_asked() -> None:
    """§3.2, §3.4: page 1, size 500, no `count` key; the bare `&count` brings it."""
    async with talking() as botify:
        path = "/projects/sandbox/www.boost.org/query"
        plain = (await botify.post(path, bql(["url"]))).json()
        counted = (await botify.post(f"{path}?count&page=8", bql(["url"]))).json()
    assert (len(plain["results"]), plain["page"], plain["size"], "count" in plain) == (500, 1, 500, False)
    assert plain["next"].endswith("/query?page=2")
    assert (len(counted["results"]), counted["count"], counted["next"]) == (URLS - 3500, URLS, None)


async def test_a_page_has_at_most_2000_rows() -> None:
    """§3.4: the documented ceiling; larger sizes are clamped here."""
    async with talking() as botify:
        assert len(await botify.rows(bql(["url"]), size=5000)) == 2000


async def test_the_ceiling_may_hold_for_all_pages_together() -> None:
    """§9.12: 2,000 per page or in total?"""
    async with talking(query_rows_limit=2000) as botify:
        assert len(await botify.rows(bql(["url"]), page=4)) == 500
        assert await botify.rows(bql(["url"]), page=5) == []


async def test_dimensions_group() -> None:
    """§3.1: one row per distinct combination."""
    async with talking() as botify:
        assert sorted(await botify.rows(bql([CODE]))) == [[200], [404]]


async def test_a_count_without_dimensions_is_one_row_even_of_nothing() -> None:
    """§3.2: total URLs is `results[0].metrics[0]`."""
    async with talking() as botify:
        assert await botify.rows(bql([], [COUNT])) == [[URLS]]
        assert await botify.rows(bql([], [COUNT], filters=where("gt", 99))) == [[0]]


@pytest.mark.parametrize(
    ("function", "field", "result"),
    [
        ("count", f"{CRAWL}.url", URLS),
        ("count_distinct", CODE, 2),
        ("count_null", f"{CRAWL}.metadata.description.content", URLS),
        ("min", DEPTH, 0),
        ("max", DEPTH, 7),
    ],
)
async def test_functions_aggregate(function: str, field: str, result: int) -> None:
    """§3.2, §3.5: `{"function": ..., "args": [...]}` as a metric."""
    async with talking() as botify:
        assert await botify.rows(bql([], [{"function": function, "args": [field]}])) == [[result]]


async def test_sum_and_average_agree() -> None:
    """§3.2: edges are summed over `outlinks_internal.nb.total`."""
    field = f"{CRAWL}.outlinks_internal.nb.total"
    metrics = [{"function": "sum", "args": [field]}, {"function": "avg", "args": [field]}]
    async with talking() as botify:
        total, average = (await botify.rows(bql([], metrics)))[0]
    assert average == pytest.approx(total / URLS)


async def test_lists_come_as_arrays_and_functions_make_them_text() -> None:
    """§3.6: list fields are arrays in JSON; §3.5: `first` and `to_json_string`."""
    first, text = {"function": "first", "args": [H1]}, {"function": "to_json_string", "args": [H1]}
    async with talking() as botify:
        rows = await botify.rows(bql(["url", H1, first, text], filters=where("lte", 1)))
    assert rows[1][1:] == [
        ["What's Included in This Document"],
        rows[1][1 + 1],
        '["What\'s Included in This Document"]',
    ]
    assert rows[3][1:] == [[], None, "[]"]


@pytest.mark.parametrize("dimension", ["url", f"{CRAWL}.url", {"field": "url"}, {"field": "url", "name": "Page"}])
async def test_a_dimension_has_several_spellings(dimension: Json) -> None:
    """§3.1: a plain string, `{"field"}`, `{"field", "name"}`; `url` also without its collection."""
    async with talking() as botify:
        assert len(await botify.rows(bql([dimension], filters=AT_DEPTH_1))) == URLS_AT_DEPTH_1


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (AT_DEPTH_1, 53),
        (where("eq", 1), 53),
        (where("lt", 2), 54),
        (where("lte", 2), 494),
        (where("gt", 5), 3),
        (where("gte", 5), 5),
        (where("between", [1, 2]), 493),
        (where("exists"), URLS),
        (where("contains", "/accumulators/", "url"), 455),
        (where("starts", "https://www.boost.org/", "url"), URLS),
        (where("ends", "/html/index.html", "url"), 1),
        (where("re", r"/html/\w+\.html$", "url"), 204),
        (where("contains", "Included", H1), 1),
        (where("exists", None, H1), 4),
        (where("eq", False, f"{CRAWL}.compliant.is_compliant"), 7),
        ({"and": [where("gte", 1), {"or": [where("eq", 7), where("eq", 6)]}]}, 3),
        ({"not": where("eq", 3)}, URLS - 3082),
        ({}, URLS),
    ],
)
async def test_filters_choose_rows(filters: dict[str, Json], count: int) -> None:
    """§3.5: every predicate, `and`, `or`, `not`, and a predicate left out."""
    async with talking() as botify:
        assert await botify.rows(bql([], [COUNT], filters=filters)) == [[count]]


async def test_a_null_depth_is_found_only_by_exists() -> None:
    """§3.5, §8.8: null depth needs its own `not exists` slice; `not lte` misses it, as in SQL."""
    async with talking(null_depth_rows=7) as botify:
        by_depth = await botify.rows(bql([DEPTH], [COUNT], sort=[0]))
        without = await botify.rows(bql([], [COUNT], filters={"not": where("exists")}))
        deeper = await botify.rows(bql([], [COUNT], filters={"not": where("lte", 5)}))
        total = await botify.rows(bql([], [COUNT]))
        either = {"or": [where("lte", 5), where("eq", 404, CODE)]}
        neither = await botify.rows(bql([], [COUNT], filters={"not": either}))
    assert by_depth[0] == [None, 7]
    assert neither == [[3]]
    assert (without, deeper, total) == ([[7]], [[3]], [[URLS + 7]])


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ([1], [0, 200]),
        ([{"index": 1}], [0, 200]),
        ([{"index": 1, "order": "desc"}], [3, 404]),
        ([{"index": 0, "type": "metrics", "order": "desc"}], [3, 200]),
        ([{"field": DEPTH, "order": "desc"}], [7, 200]),
        ([1, {"field": DEPTH, "order": "desc"}], [7, 200]),
        ([{"field": COUNT, "order": "desc"}], [3, 200]),
    ],
)
async def test_sort_has_several_forms(sort: list[Json], first: list[int]) -> None:
    """§3.3: index, index object, field object; the first key weighs most."""
    async with talking() as botify:
        assert (await botify.rows(bql([DEPTH, CODE], [COUNT], sort=sort)))[0][:2] == first


async def test_post_filters_act_after_the_grouping() -> None:
    """§3.5: `post_filters` act after aggregation."""
    async with talking() as botify:
        rows = await botify.rows(bql([DEPTH], [COUNT], post_filters=where("gt", 400, COUNT), sort=[0]))
    assert rows == [[2, 440], [3, 3082]]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (bql(["url", f"{CRAWL}.no_such_field"]), "1029"),
        (bql(["depth"]), "1029"),
        (bql(["url"], filters=where("eq", 1, "crawl.20200101.depth")), "1029"),
        ({"collections": [CRAWL], "query": {"metrics": []}}, "1020"),
        ({"collections": [CRAWL], "query": {"dimensions": ["url"]}}, "1020"),
        (bql(["url"], filter=AT_DEPTH_1), "1020"),
        (bql(["url"], limit=5), "1020"),
        ({**bql(["url"]), "size": 5}, "1020"),
        ({"collections": [CRAWL]}, "1021"),
        ([], "1024"),
        (bql(["url"], filters=where("like", "x")), "1022"),
        (bql(["url"], filters=where("lte", "deep")), "1022"),
        (bql(["url"], filters={"and": []}), "1022"),
        (bql(["url"], filters=where("re", "(", "url")), "1057"),
        (bql(["url"], sort=[5]), "1022"),
        (bql(["url"], sort=[{"http_code": {"order": "desc"}}]), "1022"),
        (bql(["url"], sort=[{"field": DEPTH}]), "1044"),
        (bql([]), "1044"),
        (bql([COUNT]), "1044"),
        (bql(["url"], [DEPTH]), "1044"),
        ({**bql(["url"]), "collections": ["global"]}, "1044"),
        ({**bql(["url"]), "collections": ["crawl.20261123"]}, "1044"),
    ],
)
async def test_a_wrong_query_is_refused_with_its_code(body: Json, code: str) -> None:
    """§3.1, §7.3: 400; one unknown field fails the whole query (§3.6)."""
    async with talking() as botify:
        assert await botify.refusal(body) == (400, code)


async def test_a_crawl_that_does_not_exist_cannot_be_queried() -> None:
    """§7.3: 1004 Analysis was not found."""
    async with talking() as botify:
        assert await botify.refusal({**bql(["url"]), "collections": ["crawl.20200101"]}) == (404, "1004")


async def test_scale_multiplies_the_crawl() -> None:
    """§2.3: crawls are large; each real URL comes as itself and with ?copy=k."""
    copies = {"field": "url", "predicate": "ends", "value": "?copy=2"}
    async with talking(scale=3) as botify:
        assert await botify.rows(bql([], [COUNT])) == [[3 * URLS]]
        assert await botify.rows(bql([], [COUNT], filters=copies)) == [[URLS]]
        assert len(await botify.rows(bql([{"function": "first", "args": ["url"]}], filters=where("eq", 0)))) == 3
        top = await botify.rows(bql(["url", TITLE], filters=where("eq", 0)))
    assert [url.rpartition("/")[2] for url, _ in top] == ["index.html", "index.html?copy=1", "index.html?copy=2"]


async def test_a_url_can_come_twice() -> None:
    """§9.22: the second time deeper and with another title, so that only a query for URLs alone folds them."""
    async with talking(duplicate_urls=1) as botify:
        assert await botify.rows(bql([], [COUNT])) == [[URLS + 1]]
        assert len(await botify.rows(bql(["url"], filters=where("lte", 0)))) == 1
        twice = await botify.rows(bql(["url", DEPTH], filters=where("ends", "/html/index.html", "url")))
        assert [depth for _, depth in twice] == [0, 1]
        assert len(await botify.rows(bql(["url"], filters=where("ends", "/html/index.html", "url")))) == 1
