"""The arithmetic of depths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.exports.depth import DepthTable, choose_depth, depth_rows, share
from tasks.exports.errors import DepthRefused

DOCUMENTED = {0: 10, 1: 550, 2: 28_000, 3: 275_000, 4: 825_000, 5: 660_000}


def table(by_depth: dict[int | None, int] | dict[int, int]) -> DepthTable:
    return DepthTable.of(by_depth.items())


@pytest.mark.parametrize(
    ("by_depth", "max_rows", "max_depth", "chosen", "rows"),
    [
        (DOCUMENTED, 1_000_000, None, 3, 303_560),
        (DOCUMENTED, 303_560, None, 3, 303_560),  # exactly the limit fits
        (DOCUMENTED, 303_559, None, 2, 28_560),
        (DOCUMENTED, 10_000_000, None, 5, 1_788_560),  # everything fits
        (DOCUMENTED, 1_000_000, 2, 2, 28_560),  # the depth asked for is shallower than the limit's
        (DOCUMENTED, 1_000_000, 4, 3, 303_560),  # ... or deeper
        ({0: 1_000_000}, 1_000_000, None, 0, 1_000_000),
        ({0: 1, 1: 2, 5: 3, 9: 100}, 10, None, 5, 6),  # a gap: depths 2 to 4 have no URL
        ({0: 1, 1: 2, 5: 3, 9: 100}, 10, 4, 1, 3),  # never a depth in the gap
        ({3: 5, 1: 2, None: 7}, 10, None, 3, 7),  # in any order; URLs without a depth do not count
        ({2: 5, 3: 0, 4: 0}, 10, None, 2, 5),  # a depth without URLs is no depth
    ],
)
def test_the_deepest_depth_that_fits_is_chosen(
    by_depth: dict[int | None, int], max_rows: int, max_depth: int | None, chosen: int, rows: int
) -> None:
    """Cumulative and inclusive, never above the limit, always a depth that exists."""
    plan = choose_depth(table(by_depth), max_rows=max_rows, max_depth=max_depth)
    assert (plan.max_depth, plan.rows) == (chosen, rows)


@pytest.mark.parametrize(
    ("by_depth", "max_rows", "max_depth", "sentence"),
    [
        ({0: 11}, 10, None, "Depth 0 alone holds 11 URLs, more than the limit of 10 rows."),
        ({2: 5_000}, 10, 7, "Depth 2 alone holds 5,000 URLs, more than the limit of 10 rows."),
        ({2: 5}, 10, 1, "The site begins at depth 2: there is nothing to depth 1."),
        ({}, 10, None, "No URL of this analysis has a depth (0 have none)."),
        ({None: 3}, 10, None, "No URL of this analysis has a depth (3 have none)."),
    ],
)
def test_where_no_depth_fits_the_sentence_says_why(
    by_depth: dict[int | None, int], max_rows: int, max_depth: int | None, sentence: str
) -> None:
    """An export is never begun that would be cut."""
    with pytest.raises(DepthRefused) as refusal:
        choose_depth(table(by_depth), max_rows=max_rows, max_depth=max_depth)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("by_depth", "max_rows", "words"),
    [
        (
            DOCUMENTED,
            1_000_000,
            "303,560 URLs to depth 3, 17.0 % of the site; 1,128,560 to depth 4 would exceed the limit of 1,000,000.",
        ),
        ({0: 1, 1: 9}, 10, "10 URLs to depth 1, 100.0 % of the site."),
        (
            {0: 1, 1: 9, None: 90},
            10,
            "10 URLs to depth 1, 10.0 % of the site; 90 URLs have no depth and are not covered.",
        ),
    ],
)
def test_the_plan_says_what_it_leaves_behind(by_depth: dict[int | None, int], max_rows: int, words: str) -> None:
    """How many URLs, what share, how many at the next depth, how many that no depth reaches."""
    assert choose_depth(table(by_depth), max_rows=max_rows).in_words() == words


def test_a_depth_that_was_asked_for_is_told_from_one_that_the_limit_chose() -> None:
    """The next depth would still fit: whoever asked for less reads so."""
    plan = choose_depth(table(DOCUMENTED), max_rows=1_000_000, max_depth=2)
    assert plan.in_words() == (
        "28,560 URLs to depth 2, 1.6 % of the site; 303,560 to depth 3 would still fit the limit of 1,000,000."
    )


@given(
    st.dictionaries(st.none() | st.integers(0, 30), st.integers(0, 1_000), max_size=20),
    st.integers(1, 5_000),
)
def test_whatever_the_depths_the_plan_fits_and_nothing_deeper_would(
    by_depth: dict[int | None, int], max_rows: int
) -> None:
    """The property behind the table above."""
    try:
        plan = choose_depth(table(by_depth), max_rows=max_rows)
    except DepthRefused:
        with_urls = [depth for depth, urls in by_depth.items() if depth is not None and urls]
        assert not with_urls or by_depth[min(with_urls)] > max_rows
        return
    to_depth = {
        limit: sum(urls for depth, urls in by_depth.items() if depth is not None and depth <= limit)
        for limit in by_depth
        if limit is not None
    }
    assert plan.rows == to_depth[plan.max_depth] <= max_rows
    assert all(rows > max_rows for depth, rows in to_depth.items() if depth > plan.max_depth and by_depth[depth])
    assert plan.urls_total == sum(by_depth.values())


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 10, "0.0 %"),
        (10, 10, "100.0 %"),
        (1, 1_000_000, "< 0.1 %"),
        (999_999, 1_000_000, "> 99.9 %"),
        (999, 1_000, "99.9 %"),
        (1, 3, "33.3 %"),
        (0, 0, "100.0 %"),
    ],
)
def test_a_share_is_whole_only_when_it_is_everything(part: int, whole: int, words: str) -> None:
    """A rounded 100 % would hide what is missing."""
    assert share(part, whole) == words


def test_the_table_shows_every_depth_and_the_urls_without_one() -> None:
    """What `plan` prints and Prefect's page shows."""
    rows = depth_rows(choose_depth(table({0: 1, 1: 9, 2: 50, None: 40}), max_rows=10))
    assert [tuple(row.values()) for row in rows] == [
        ("0", "1", "1", "1.0 %", "yes"),
        ("1", "9", "10", "10.0 %", "yes"),
        ("2", "50", "60", "60.0 %", "no"),
        ("none", "40", "", "", "no"),
    ]
