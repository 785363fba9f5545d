"""The plan of slices as data, and the packing of depths."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.exports.depth import DepthTable, choose_depth
from tasks.exports.filters import Depths, NoDepth, NumberRange, ToDepth, every
from tasks.exports.slices import Numbers, Slice, SlicePlan, UrlEnd, depth_slices, slice_rows

DEPTH_4 = Depths(first_depth=4, last_depth=4)
PLAN = SlicePlan(
    slices=(
        Slice(filter=ToDepth(max_depth=3), rows=303_560),
        Slice(filter=every(DEPTH_4, NumberRange(field="byte_size", at_least=None, below=5_300)), rows=412_500),
        Slice(filter=every(DEPTH_4, NumberRange(field="byte_size", at_least=5_300, below=None)), rows=412_500),
        Slice(filter=NoDepth(), rows=7),
    ),
    urls_total=1_128_567,
    max_rows=500_000,
)


def test_a_plan_says_what_it_holds_and_costs() -> None:
    """A row is a URL is a credit (§7.1)."""
    assert PLAN.credits == 1_128_567
    assert PLAN.in_words() == "1,128,567 URLs in 4 slices of at most 500,000 rows, for 1,128,567 credits."
    one = SlicePlan(slices=PLAN.slices[:1], urls_total=303_560, max_rows=1_000_000)
    assert one.in_words() == "303,560 URLs in 1 slice of at most 1,000,000 rows, for 303,560 credits."


def test_the_table_has_a_row_for_each_slice() -> None:
    """What `plan` prints and Prefect's page shows; whoever shows it adds the state."""
    assert slice_rows(PLAN)[1:] == [
        {"Slice": "2", "URLs": "412,500", "Credits": "412,500", "Filter": "depth 4, byte_size below 5,300"},
        {"Slice": "3", "URLs": "412,500", "Credits": "412,500", "Filter": "depth 4, byte_size from 5,300"},
        {"Slice": "4", "URLs": "7", "Credits": "7", "Filter": "no depth"},
    ]


def test_a_plan_comes_back_from_json() -> None:
    """It stands in the manifest and in the ledger."""
    assert SlicePlan.model_validate_json(PLAN.model_dump_json()) == PLAN
    with pytest.raises(ValidationError):
        SlicePlan.model_validate(PLAN.model_dump(mode="json") | {"credits": 1})


@pytest.mark.parametrize(
    ("by_depth", "max_rows", "parts"),
    [
        ({0: 1, 1: 9, 2: 5, 3: 5, 4: 6}, 10, ["to depth 1", "depths 2 to 3", "depth 4"]),
        ({0: 1, 1: 9}, 10, ["to depth 1"]),
        ({0: 10, 1: 5}, 10, ["to depth 0", "depth 1"]),  # exactly the limit fits
        ({0: 1, 1: 30, 2: 2, 5: 3}, 10, ["to depth 0", "depth 1", "depths 2 to 5"]),
        ({0: 11, 1: 2, 2: 3, None: 4}, 10, ["depth 0", "depths 1 to 2", "no depth"]),
        ({None: 40}, 10, ["no depth"]),
        ({}, 10, []),
    ],
)
def test_depths_are_packed_from_the_shallowest(
    by_depth: dict[int | None, int], max_rows: int, parts: list[str]
) -> None:
    """A depth over the limit is a part of its own, and so is what has no depth."""
    assert [part.filter.in_words() for part in depth_slices(DepthTable.of(by_depth.items()), max_rows)] == parts


@given(
    st.dictionaries(st.none() | st.integers(0, 30), st.integers(0, 1_000), max_size=20),
    st.integers(1, 5_000),
)
def test_the_first_part_is_the_export_by_depth_and_no_neighbours_fit_together(
    by_depth: dict[int | None, int], max_rows: int
) -> None:
    """Every depth in one part, and as few as consecutive depths allow."""
    table = DepthTable.of(by_depth.items())
    parts = depth_slices(table, max_rows)
    assert sum(part.rows for part in parts) == table.total
    with_depth = [part for part in parts if not isinstance(part.filter, NoDepth)]
    assert all(one.rows + next_one.rows > max_rows for one, next_one in pairwise(with_depth))
    first_fits = bool(table.counts) and table.counts[0].urls <= max_rows
    assert [part.filter for part in parts if isinstance(part.filter, ToDepth)] == (
        [ToDepth(max_depth=choose_depth(table, max_rows=max_rows).max_depth)] if first_fits else []
    )
    assert all(part.rows <= max_rows or part.filter.in_words().startswith(("depth ", "no depth")) for part in parts)


@pytest.mark.parametrize("axis", [Numbers("byte_size"), UrlEnd(before_end=0)])
@given(share=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_middle_lies_between_any_two_places(axis: Numbers | UrlEnd, share: tuple[float, float]) -> None:
    """So that a search always narrows."""
    low, high = sorted(axis.first + round((axis.last - axis.first) * each) for each in share)
    if high - low > 1:
        assert low < axis.middle(low, high) < high


@given(st.integers(-5_000, 5_000), st.integers(2, 10_000))
def test_the_middle_lies_between_any_two_small_numbers(low: int, width: int) -> None:
    """Below zero, above it and across it, and where one side has no bound."""
    axis = Numbers("byte_size")
    for start, end in ((low, low + width), (axis.first, low), (low, axis.last)):
        assert start < axis.middle(start, end) < end
