"""Filters of BQL (botify-api.md §3.5), with SQL's three-valued logic: a null neither matches nor fails to match.

So `not depth <= 5` leaves pages without a depth out, as the SQL engine beneath BQL would (§3.1); `exists` finds them.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeGuard, TypeVar

from deployments.sandbox.fields import Value
from deployments.sandbox.refusals import Code, RefusalError

Row = TypeVar("Row")
Test: TypeAlias = Callable[[Row], bool | None]
Reader: TypeAlias = Callable[[Row], Value]

KEYS = {"field", "predicate", "value"}
TEXT_PREDICATES: dict[str, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "starts": str.startswith,
    "ends": str.endswith,
}
NUMBER_PREDICATES: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def filter_test(written: object, reader_of: Callable[[object], Reader[Row]]) -> Test[Row]:
    """Compile a filter; `reader_of` turns a written field into what reads it. Raises RefusalError."""
    if not isinstance(written, Mapping):
        raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"a filter is an object, not {written!r}")
    if not written:
        return lambda row: True
    if len(written) == 1 and (word := next(iter(written))) in ("and", "or", "not"):
        return _combined(word, written[word], reader_of)
    if "field" not in written or set(written) - KEYS:
        raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"not a filter: {dict(written)!r}")
    return _comparison(reader_of(written["field"]), str(written.get("predicate", "eq")), written.get("value"))


def _combined(word: str, parts: object, reader_of: Callable[[object], Reader[Row]]) -> Test[Row]:
    if word == "not":
        inner = filter_test(parts, reader_of)
        return lambda row: None if (found := inner(row)) is None else not found
    if not isinstance(parts, list) or not parts:
        raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"{word!r} takes a list of filters")
    tests = [filter_test(part, reader_of) for part in parts]
    deciding = word == "or"

    def combined(row: Row) -> bool | None:
        answers = [test(row) for test in tests]
        if deciding in answers:
            return deciding
        return None if None in answers else not deciding

    return combined


def _comparison(read: Reader[Row], predicate: str, value: object) -> Test[Row]:
    if predicate == "exists":
        return lambda row: read(row) not in (None, ())
    matches = _matcher(predicate, value)

    def comparison(row: Row) -> bool | None:
        found = read(row)
        if found is None:
            return None
        return any(map(matches, found)) if isinstance(found, tuple) else matches(found)

    return comparison


def _matcher(predicate: str, value: object) -> Callable[[object], bool]:
    if predicate == "eq":
        return lambda found: found == value
    if predicate == "re" and isinstance(value, str):
        return _pattern_matcher(value)
    if predicate in TEXT_PREDICATES and isinstance(value, str):
        compare_text = TEXT_PREDICATES[predicate]
        return lambda found: compare_text(str(found), value)
    if predicate in NUMBER_PREDICATES and _is_number(value):
        compare = NUMBER_PREDICATES[predicate]
        return lambda found: _is_number(found) and compare(found, value)
    if predicate == "between" and isinstance(value, list) and len(value) == 2:
        low, high = value
        if _is_number(low) and _is_number(high):
            return lambda found: _is_number(found) and low <= found <= high
    raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"predicate {predicate!r} with value {value!r}")


def _pattern_matcher(written: str) -> Callable[[object], bool]:
    try:
        pattern = re.compile(written)
    except re.error as error:
        raise RefusalError(Code.BADLY_FORMATTED_REGEX, str(error)) from error
    return lambda found: pattern.search(str(found)) is not None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
