"""Finding a URL that stands in two rows."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.files.duplicates import UrlOrder, first_duplicate

_Groups = Sequence[Sequence[str | None]]


def _read(groups: _Groups) -> Callable[[], list[pa.ChunkedArray]]:
    return lambda: [pa.chunked_array([pa.array(group, pa.string())]) for group in groups]


@pytest.mark.parametrize(
    ("groups", "duplicate"),
    [
        ([], None),
        ([["a"]], None),
        ([["a", "b"], [], ["c"]], None),
        ([["b", "a"], ["c"]], None),
        ([["b", "a", "a"], ["b"]], "a"),
        ([["c", "a"], ["b", "c"], ["a"]], "c"),
        ([["a", None], [None, "b"]], None),
        ([["a", None, "a"]], "a"),
    ],
)
def test_the_first_url_that_comes_again_is_found(groups: _Groups, duplicate: str | None) -> None:
    """In any order, in one row group or in two; rows without a URL are no duplicates."""
    assert first_duplicate(_read(groups)) == duplicate


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from([*"abcdef", None]), max_size=3), max_size=4))
def test_rows_that_ascend_hold_no_duplicate(groups: list[list[str | None]]) -> None:
    """So nothing has to be remembered while they do; and none that holds one is taken to ascend."""
    order = UrlOrder()
    for seen in _read(groups)():
        order.see(seen)
    flat = [url for group in groups for url in group]
    urls = [url for url in flat if url is not None]
    assert (first_duplicate(_read(groups)) is None) == (len(urls) == len(set(urls)))
    if len(flat) > 1:
        assert order.ascending == (flat == sorted(set(urls)))


def test_two_urls_with_one_hash_are_not_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collision is looked at, not believed; and a duplicate behind it is still found."""
    monkeypatch.setattr("tasks.files.duplicates.hash", len, raising=False)
    assert first_duplicate(_read([["b", "a", "cc", "dd"]])) is None
    assert first_duplicate(_read([["b", "a", "cc", "cc"]])) == "cc"
