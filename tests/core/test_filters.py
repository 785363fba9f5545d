"""The filters of exports: what BQL they are, how they read, and that they come back from JSON."""

import re
import string
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from deployments.sandbox.filters import Reader, filter_test
from tasks.exports.filters import (
    URL_CHARACTERS,
    Depths,
    Filter,
    NoDepth,
    NumberRange,
    ToDepth,
    UrlCharacter,
    WithoutValue,
    WithValue,
    every,
)
from tests.core.conversation import request

CRAWL = "crawl.20260101"
DEPTH = f"{CRAWL}.depth"
BYTES = f"{CRAWL}.byte_size"
URL = f"{CRAWL}.url"
ADAPTER: TypeAdapter[Filter] = TypeAdapter(Filter)


def lets_through(only: Filter, **row: Any) -> bool:
    """Whether BQL, as the sandbox reads it, finds this row."""

    def reader_of(named: object) -> Reader[dict[str, Any]]:
        name = str(named).removeprefix(f"{CRAWL}.")
        return lambda of: of.get(name)

    test = filter_test(only.bql(CRAWL), reader_of)
    return test(row) is True


@pytest.mark.parametrize(
    ("only", "bql", "words"),
    [
        (ToDepth(max_depth=3), {"field": DEPTH, "predicate": "lte", "value": 3}, "to depth 3"),
        (
            Depths(first_depth=4, last_depth=4),
            {"field": DEPTH, "predicate": "between", "value": [4, 4]},
            "depth 4",
        ),
        (
            Depths(first_depth=5, last_depth=7),
            {"field": DEPTH, "predicate": "between", "value": [5, 7]},
            "depths 5 to 7",
        ),
        (NoDepth(), {"not": {"field": DEPTH, "predicate": "exists"}}, "no depth"),
        (
            NumberRange(field="byte_size", at_least=1200, below=5300),
            {
                "and": [
                    {"field": BYTES, "predicate": "gte", "value": 1200},
                    {"field": BYTES, "predicate": "lt", "value": 5300},
                ]
            },
            "byte_size from 1,200 to below 5,300",
        ),
        (
            NumberRange(field="byte_size", at_least=None, below=-5300),
            {"field": BYTES, "predicate": "lt", "value": -5300},
            "byte_size below -5,300",
        ),
        (
            NumberRange(field="byte_size", at_least=0, below=None),
            {"field": BYTES, "predicate": "gte", "value": 0},
            "byte_size from 0",
        ),
        (WithValue(field="byte_size"), {"field": BYTES, "predicate": "exists"}, "with byte_size"),
        (WithoutValue(field="byte_size"), {"not": {"field": BYTES, "predicate": "exists"}}, "without byte_size"),
        (
            UrlCharacter(before_end=2, at_least="A", below="n"),
            {
                "and": [
                    {"field": URL, "predicate": "re", "value": "^.*[A-~]..$"},
                    {"not": {"field": URL, "predicate": "re", "value": "^.*[n-~]..$"}},
                ]
            },
            "the URL's character 3 from the end from A to below n",
        ),
        (
            UrlCharacter(before_end=0, at_least=None, below="5"),
            {"not": {"field": URL, "predicate": "re", "value": "^.*[5-~]$"}},
            "the URL's last character below 5",
        ),
        (
            every(Depths(first_depth=4, last_depth=4), NumberRange(field="byte_size", at_least=7, below=8)),
            {
                "and": [
                    {"field": DEPTH, "predicate": "between", "value": [4, 4]},
                    {"field": BYTES, "predicate": "gte", "value": 7},
                    {"field": BYTES, "predicate": "lt", "value": 8},
                ]
            },
            "depth 4, byte_size from 7 to below 8",
        ),
        (
            every(
                every(NoDepth(), WithoutValue(field="byte_size")), UrlCharacter(before_end=0, at_least="a", below=None)
            ),
            {
                "and": [
                    {"not": {"field": DEPTH, "predicate": "exists"}},
                    {"not": {"field": BYTES, "predicate": "exists"}},
                    {"field": URL, "predicate": "re", "value": "^.*[a-~]$"},
                ]
            },
            "no depth without byte_size, the URL's last character from a",
        ),
    ],
)
def test_a_filter_is_bql_and_words_and_comes_back_from_json(only: Filter, bql: Any, words: str) -> None:
    """`and` is never nested; what was read is the same filter, of the same class."""
    assert only.bql(CRAWL) == bql
    assert only.in_words() == words
    for read in (ADAPTER.validate_json(only.model_dump_json()), ADAPTER.validate_python(only.model_dump(mode="json"))):
        assert (read, type(read)) == (only, type(only))


def test_the_filter_of_earlier_exports_is_what_it_always_was() -> None:
    """Ledger records and fingerprints on users' disks hold it."""
    assert ToDepth(max_depth=2).model_dump_json() == '{"max_depth":2}'
    assert ADAPTER.validate_json('{"max_depth":2}') == ToDepth(max_depth=2)
    assert request().fingerprint == "18eaeb49caf9ed44b5fd978cae1df9e65d522e3bcdf5f50186e031381dc178d2"


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"max_depth": 2, "more": 1},
        {"kind": "depths", "max_depth": 2},
        {"kind": "another"},
        {"kind": "number_range", "field": "byte_size", "at_least": None, "below": None},
        {"kind": "url_character", "before_end": 0, "at_least": "]", "below": None},
        {"kind": "url_character", "before_end": 0, "at_least": None, "below": None},
        {"kind": "every", "parts": [{"kind": "every", "parts": [{"kind": "no_depth"}]}]},
        "depth 2",
    ],
)
def test_what_is_no_filter_is_not_read_as_one(written: object) -> None:
    """An empty or a misread filter would pay for other URLs."""
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(written)


def test_one_filter_alone_is_itself() -> None:
    """Nothing around it, so that its fingerprint is its own."""
    assert every(ToDepth(max_depth=1)) == ToDepth(max_depth=1)


@given(
    st.none() | st.integers(-9, 9) | st.floats(-9, 9, allow_nan=False),
    st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_neighbouring_ranges_and_the_nulls_hold_every_number_once(value: float | None, cuts: list[int]) -> None:
    """Half-open: 2.5 lies in a range, 3 in one only."""
    bounds = [None, *cuts, None]
    ranges: list[Filter] = [NumberRange(field="byte_size", at_least=low, below=high) for low, high in pairwise(bounds)]
    found = [lets_through(only, byte_size=value) for only in [*ranges, WithoutValue(field="byte_size")]]
    assert found.count(True) == 1
    assert found[-1] is (value is None) is not lets_through(WithValue(field="byte_size"), byte_size=value)


@given(
    st.text(string.printable.strip() + "äß☃", max_size=6),
    st.integers(0, 3),
    st.lists(st.sampled_from(URL_CHARACTERS), min_size=1, max_size=4, unique=True).map(sorted),
    st.booleans(),
)
def test_neighbouring_ranges_of_characters_hold_every_url_once(
    url: str, before_end: int, cuts: list[str], case_counts: bool
) -> None:
    """Also what is too short, what is not ASCII, and where the engine ignores case or matches as a whole."""
    bounds = [None, *cuts, None]
    flags = 0 if case_counts else re.IGNORECASE

    def holds(test: Any) -> bool:
        if "not" in test:
            return not holds(test["not"])
        pattern = re.compile(test["value"], flags)
        assert bool(pattern.search(url)) == bool(pattern.fullmatch(url))
        return bool(pattern.search(url))

    ranges = [UrlCharacter(before_end=before_end, at_least=low, below=high) for low, high in pairwise(bounds)]
    assert [all(map(holds, only.tests(CRAWL))) for only in ranges].count(True) == 1
    if case_counts:
        assert [lets_through(only, url=url) for only in ranges].count(True) == 1


def test_a_character_lies_in_the_range_that_its_words_say() -> None:
    """Counted from the end, in ASCII order, from the lower bound to below the upper."""
    from_5_to_a = UrlCharacter(before_end=1, at_least="5", below="a")
    found = [c for c in string.digits + string.ascii_letters if lets_through(from_5_to_a, url=f"https://x/0{c}0")]
    assert "".join(found) == "56789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
