"""The plan of an export of the whole analysis: disjoint slices, each a job that fits the row limit.

And along what the analysis can be sliced: its depths, and within a depth any order that filters can cut.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict

from tasks.exports.depth import DepthTable, choose_depth
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
)

_ANY: Final = 2**62  # stands for no bound: no field of a crawl has such numbers
_FIRST_GUESS: Final = 1024


class Slice(BaseModel):
    """One job's share: the URLs that the filter lets through, and how many Botify counted with this very filter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filter: Filter
    rows: int


class SlicePlan(BaseModel):
    """The slices in the order of their depths. Rows are URLs are credits (botify-api.md §7.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slices: tuple[Slice, ...]
    urls_total: int
    urls_without_depth: int = 0
    max_rows: int
    table: DepthTable | None = None
    """What was counted per depth; None in plans that were written before they held it."""

    @property
    def credits(self) -> int:
        """What the jobs cost together."""
        return sum(each.rows for each in self.slices)

    def in_words(self) -> str:
        """Say how many URLs there are, in how many jobs, for how many credits."""
        number = len(self.slices)
        jobs = "1 slice" if number == 1 else f"{number:,} slices"
        return f"{self.urls_total:,} URLs in {jobs} of at most {self.max_rows:,} rows, for {self.credits:,} credits."


def slice_rows(plan: SlicePlan) -> list[dict[str, str]]:
    """Return the plan in words, a row per slice: what the table artifact and the terminal show."""
    return [
        {"Slice": str(number), "URLs": f"{each.rows:,}", "Credits": f"{each.rows:,}", "Filter": each.filter.in_words()}
        for number, each in enumerate(plan.slices, start=1)
    ]


def depth_slices(table: DepthTable, max_rows: int) -> list[Slice]:
    """Pack the depths, from the shallowest, into as few parts as possible; a depth over the limit is one of its own.

    The first part is what an export by depth holds, so that one that was paid for is not paid for again.
    """
    parts: list[Slice] = []
    deeper = list(table.counts)
    if deeper and deeper[0].urls <= max_rows:
        plan = choose_depth(table, max_rows=max_rows)
        parts.append(Slice(filter=ToDepth(max_depth=plan.max_depth), rows=plan.rows))
        deeper = [count for count in deeper if count.depth > plan.max_depth]
    packed: list[tuple[int, int, int]] = []
    for count in deeper:
        if packed and packed[-1][2] + count.urls <= max_rows:
            first, _, rows = packed.pop()
            packed.append((first, count.depth, rows + count.urls))
        else:
            packed.append((count.depth, count.depth, count.urls))
    parts += [Slice(filter=Depths(first_depth=first, last_depth=last), rows=rows) for first, last, rows in packed]
    if table.without_depth:
        parts.append(Slice(filter=NoDepth(), rows=table.without_depth))
    return parts


class Axis(Protocol):
    """An order of the URLs that filters can cut at whole numbers, from `first` to `last`."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def without(self) -> Filter | None:
        """The URLs that have no place in the order, if there can be any."""

    def between(self, start: int, end: int) -> Filter:
        """Return the URLs from `start` to below `end`."""
        ...

    def is_finite(self, place: int) -> bool:
        """Whether the place is a number to reckon with, not a bound that stands for none."""
        ...

    def middle(self, start: int, end: int) -> int:
        """Return a cut that lies between the two, and at best halves them, when nothing else is known."""
        ...


@dataclass(frozen=True)
class Numbers:
    """The order of a numeric field; cuts are at whole numbers, whether the values are or not."""

    name: str
    first: int = -_ANY
    last: int = _ANY

    @property
    def without(self) -> Filter | None:
        return WithoutValue(field=self.name)

    def between(self, start: int, end: int) -> Filter:
        if (start, end) == (self.first, self.last):
            return WithValue(field=self.name)
        return NumberRange(
            field=self.name,
            at_least=None if start == self.first else start,
            below=None if end == self.last else end,
        )

    def is_finite(self, place: int) -> bool:
        return self.first < place < self.last

    def middle(self, start: int, end: int) -> int:
        """Grow by sixteen towards no bound; between bounds that are far apart, halve the number of digits."""
        if end <= 0 and start < 0:
            return -self.middle(-end, -start)
        if end == self.last:
            return min(max(_FIRST_GUESS, 16 * start), end - 1)
        if start < 0:
            return 0 if end == 1 else self.middle(0, end)
        wide = end > 4 * (start + 1)
        middle = math.isqrt((start + 1) * (end + 1)) - 1 if wide else (start + end) // 2
        return min(max(middle, start + 1), end - 1)


@dataclass(frozen=True)
class UrlEnd:
    """The order of a character before the end of the URL."""

    before_end: int
    first: int = 0
    last: int = len(URL_CHARACTERS) + 1
    without: None = None

    def between(self, start: int, end: int) -> Filter:
        return UrlCharacter(
            before_end=self.before_end,
            at_least=None if start == self.first else URL_CHARACTERS[start - 1],
            below=None if end == self.last else URL_CHARACTERS[end - 1],
        )

    def is_finite(self, place: int) -> bool:
        return True

    def middle(self, start: int, end: int) -> int:
        return (start + end) // 2
