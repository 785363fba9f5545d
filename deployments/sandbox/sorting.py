"""The sort forms of botify-api.md §3.3; nulls come first when ascending, as in the SQL engine beneath BQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployments.sandbox.columns import Column, Reading
from deployments.sandbox.fields import Value
from deployments.sandbox.refusals import Code, RefusalError


@dataclass(frozen=True)
class SortKey:
    """A position in the row, and the direction."""

    position: int
    descending: bool = False

    def of(self, row: Sequence[Value]) -> tuple[bool, Value]:
        """Something that compares, nulls included."""
        value = row[self.position]
        return value is not None, value


def sorted_rows(rows: Iterable[tuple[Value, ...]], keys: Sequence[SortKey]) -> Iterator[tuple[Value, ...]]:
    """All rows in memory, sorted by the keys, the first one weighing most."""
    ordered = list(rows)
    for key in reversed(keys):
        ordered.sort(key=key.of, reverse=key.descending)
    return iter(ordered)


def position_of(written: object, reading: Reading, columns: Sequence[Column]) -> int:
    """Where a field stands in the row. Raises RefusalError."""
    slug = reading.output(written).slug
    for position, column in enumerate(columns):
        if column.slug == slug:
            return position
    raise RefusalError(Code.QUERY_CANNOT_BE_EXECUTED, f"{slug} is neither a dimension nor a metric of this query")


def sort_keys(
    written: Sequence[object], reading: Reading, dimensions: Sequence[Column], metrics: Sequence[Column]
) -> tuple[SortKey, ...]:
    """Read `sort`: `1`, `{"index", "type", "order"}` or `{"field", "order"}`. Raises RefusalError."""
    starts = {"dimensions": range(len(dimensions)), "metrics": range(len(dimensions), len(dimensions) + len(metrics))}

    def key(form: object) -> SortKey:
        match form:
            case int(index):
                return SortKey(_at(starts["dimensions"], index))
            case {"index": int(index), **rest} if _are_sort_options(rest):
                return SortKey(_at(starts[str(rest.get("type", "dimensions"))], index), rest.get("order") == "desc")
            case {"field": field, **rest} if _are_sort_options(rest):
                return SortKey(position_of(field, reading, (*dimensions, *metrics)), rest.get("order") == "desc")
        raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"not a sort: {form!r}")

    return tuple(map(key, written))


def _at(positions: range, index: int) -> int:
    if not 0 <= index < len(positions):
        raise RefusalError(Code.BADLY_FORMATTED_QUERY, f"sort by index {index} of {len(positions)}")
    return positions[index]


def _are_sort_options(rest: Mapping[object, object]) -> bool:
    known: dict[object, tuple[str, ...]] = {"type": ("dimensions", "metrics"), "order": ("asc", "desc")}
    return all(key in known and value in known[key] for key, value in rest.items())
