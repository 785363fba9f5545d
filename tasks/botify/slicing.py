"""Planning an export of the whole analysis: disjoint slices that Botify's own counts prove to fit and to be complete.

A part of the analysis over the row limit is cut along an axis: the values of a number, or a character of the URL. The
cuts are found by counting, and the part between two cuts that is still over the limit goes to the next axis.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from tasks.botify.fields import Field
from tasks.exports.columns import ColumnKind
from tasks.exports.depth import DepthTable
from tasks.exports.errors import DepthRefused, RequestRefused, RowsDiffer
from tasks.exports.filters import Filter, every
from tasks.exports.slices import Axis, Numbers, Slice, SlicePlan, UrlEnd, depth_slices

FULL_ENOUGH: Final = 0.9
"""The search for a cut ends at a slice this full: a fuller one costs more requests than it saves jobs."""

# Fields with a value on nearly every URL, and many different ones, first (botify-api.md §3.6).
PREFERRED_FIELDS: Final = (
    "byte_size",
    "delay_last_byte",
    "outlinks_internal.nb.total",
    "inlinks_internal.nb.unique",
    "metadata.title.len",
)
LAST_FIELDS: Final = ("http_code",)
MOST_FIELDS: Final = 8
MOST_PLACES: Final = 32
# A cut at a number of 32 bits took 48 at the most (60 tries each); what is not found by then is left to the next axis.
MOST_COUNTS_PER_CUT: Final = 64


class Counts(Protocol):
    """What Botify counts (botify-api.md §3.2)."""

    async def count(self, only: Filter) -> int:
        """Return how many URLs the filter lets through."""
        ...

    async def count_all(self) -> int:
        """Return how many URLs the analysis has."""
        ...


@dataclass
class _Cutting:
    """A part that is being cut along an axis; `known` are the rows below each place that was counted."""

    part: Slice
    axis: Axis
    rows: int
    known: dict[int, int] = field(default_factory=dict)

    def filter(self, start: int, end: int) -> Filter:
        return every(self.part.filter, self.axis.between(start, end))

    def guess(self, low: int, high: int, wanted: int, tries: int, shape: Sequence[tuple[int, float]]) -> int:
        """Return a place between two known ones where the rows below should be near `wanted`.

        First as another part was spread, then by turns in proportion and in the middle: the middle bounds the tries.
        """
        if not tries:
            place = _place(shape, wanted / self.rows)
            if place is not None and low < place < high:
                return place
        finite = self.axis.is_finite(low) and self.axis.is_finite(high)
        if tries % 2 or not finite:
            return self.axis.middle(low, high)
        share = (wanted - self.known[low]) / (self.known[high] - self.known[low])
        return min(max(low + round((high - low) * share), low + 1), high - 1)


async def plan_slices(counts: Counts, table: DepthTable, fields: Iterable[Field], max_rows: int) -> SlicePlan:
    """Plan disjoint slices of at most `max_rows` URLs that together are the analysis, each counted by its own filter.

    The number of slices is at most 2 * optimum + 3 * divided + 2, where optimum is the total through the limit,
    rounded up, and `divided` is how many parts (depths, URLs without a depth, values within them) were over the limit.
    Proof: take the slices as runs of neighbours, where a divided part or the end of an axis ends a run. Neighbours in
    a run exceed the limit together, or they would have been joined, so a run of r rows has at most 2r / limit + 1
    slices; over all runs, that is 2 * optimum and one for each run. The depths are one run more than depths are
    divided, and NoDepth is one; a divided part is one run more than what is divided in it, and its null slice one:
    no more than 3 * divided + 2 runs. Where no value is repeated much, a divided part of n rows without nulls has at
    most n / (0.9 * limit) slices, rounded up, since every cut but a last halving leaves a slice that full.

    Raises DepthRefused (a part fits no job and nothing divides it), RowsDiffer (the counts contradict one another),
    BotifyRefused, BotifyUnavailable.
    """
    total = await counts.count_all()
    if total != table.total:
        raise _differ(f"{total:,} URLs in all, but {table.total:,} by depth")
    planner = _Planner(counts, max_rows, _axes(fields))
    slices = [piece for part in depth_slices(table, max_rows) for piece in await planner.divide(part, planner.axes)]
    confirmed = [await planner.confirm(piece) for piece in slices]
    rows = sum(piece.rows for piece in confirmed)
    if rows != total:  # implied by all that was compared before, and the promise itself
        raise _differ(f"{rows:,} URLs in the slices together, but {total:,} in all")
    return SlicePlan(
        slices=tuple(confirmed),
        urls_total=total,
        urls_without_depth=table.without_depth,
        max_rows=max_rows,
        table=table,
    )


def _axes(fields: Iterable[Field]) -> tuple[Axis, ...]:
    """Return what divides, the best first: numbers of which a URL has one, then the URL's characters from its end."""
    numeric = {}
    for each in fields:
        name = re.sub(r"^crawl\.[^.]+\.", "", each.id)
        kind = ColumnKind.of(each.type or "")
        single = not each.multiple and each.kind != "metric" and ".graph." not in name
        if single and name != "depth" and kind in (ColumnKind.INTEGER, ColumnKind.NUMBER):
            numeric[name] = kind
    preferred = [name for name in PREFERRED_FIELDS if name in numeric]
    others = [n for n, kind in numeric.items() if kind is ColumnKind.INTEGER and n not in PREFERRED_FIELDS]
    first = [*preferred, *(name for name in others if name not in LAST_FIELDS)]
    last = [name for name in others if name in LAST_FIELDS]
    names = [*first[: MOST_FIELDS - len(last)], *last]
    return (*(Numbers(name) for name in names), *(UrlEnd(place) for place in range(MOST_PLACES)))


class _Planner:
    """Divides parts; what was counted once is not asked again."""

    def __init__(self, counts: Counts, max_rows: int, axes: tuple[Axis, ...]) -> None:
        self.axes = axes
        self._counts = counts
        self._max_rows = max_rows
        self._counted: dict[Filter, int] = {}
        self._refused: set[Axis] = set()
        self._shapes: dict[Axis, list[tuple[int, float]]] = {}

    async def divide(self, part: Slice, axes: tuple[Axis, ...]) -> list[Slice]:
        """Return pieces of the part that fit: cut along the first axis that divides it, then along later ones."""
        if part.rows <= self._max_rows:
            return [part]
        for number, axis in enumerate(axes, start=1):
            pieces = await self._cut(part, axis)
            if len(pieces) > 1:
                return [fitting for piece in pieces for fitting in await self.divide(piece, axes[number:])]
        words = part.filter.in_words()
        raise DepthRefused(
            f"{words[0].upper()}{words[1:]}: {part.rows:,} URLs, more than the limit of {self._max_rows:,} rows, "
            "and no field nor the end of their URLs divides them."
        )

    async def confirm(self, piece: Slice) -> Slice:
        """Count the piece with its very filter, unless that was done. Raises RowsDiffer."""
        if (counted := await self._count(piece.filter)) != piece.rows:
            raise _differ(f"{counted:,} URLs {piece.filter.in_words()}, where other counts leave {piece.rows:,}")
        return piece

    async def _count(self, only: Filter) -> int:
        if only not in self._counted:
            self._counted[only] = await self._counts.count(only)
        return self._counted[only]

    async def _cut(self, part: Slice, axis: Axis) -> list[Slice]:
        """Cut the part along the axis, what has no value on it apart; pieces over the limit are left as they are."""
        without = await self._without(part, axis)
        if without is None:
            return [part]
        cutting = _Cutting(part, axis, part.rows - without.rows)
        cutting.known = {axis.first: 0, axis.last: cutting.rows}
        places = [axis.first]
        while cutting.rows - cutting.known[places[-1]] > self._max_rows:
            places.append(await self._next_cut(cutting, places[-1]))
        if places[-1] != axis.last:
            places.append(axis.last)
        self._remember(cutting)
        return [*self._joined(cutting, places), *([without] if without.rows else [])]

    async def _without(self, part: Slice, axis: Axis) -> Slice | None:
        """Count what has no value on the axis; None when the axis is of no use for this part."""
        if axis.without is None:
            return Slice(filter=part.filter, rows=0)
        if axis in self._refused:
            return None
        only = every(part.filter, axis.without)
        try:
            rows = await self._count(only)
        except RequestRefused:
            self._refused.add(axis)  # a field may be listed and yet be no filter; there are others
            return None
        if not 0 <= rows <= part.rows:
            raise _differ(f"{rows:,} URLs {only.in_words()}, but {part.rows:,} {part.filter.in_words()}")
        return Slice(filter=only, rows=rows) if rows < part.rows else None

    async def _next_cut(self, cutting: _Cutting, start: int) -> int:
        """Return where the piece that begins at `start` ends: full enough, or as full as it can be.

        When not even the smallest piece fits, it is that one.
        """
        known, base = cutting.known, cutting.known[start]
        spare = cutting.rows - base - self._max_rows  # what has to fit into the next slice, when one more is enough
        enough = self._max_rows * FULL_ENOUGH
        if spare <= self._max_rows:
            enough = min(enough, spare)
        wanted = base + math.ceil((enough + self._max_rows) / 2)
        for tries in range(MOST_COUNTS_PER_CUT):
            low = max(place for place, rows in known.items() if place >= start and rows - base <= self._max_rows)
            high = min(place for place, rows in known.items() if place > low)
            if (low > start and known[low] - base >= enough) or high - low == 1:
                break
            place = cutting.guess(low, high, wanted, tries, self._shapes.get(cutting.axis, ()))
            known[place] = await self._rows_below(cutting, start, low, place, high)
        return low if low > start else high

    async def _rows_below(self, cutting: _Cutting, start: int, low: int, place: int, high: int) -> int:
        """Count what lies below a place, by the filter that the slice would have. Raises RowsDiffer."""
        only = cutting.filter(start, place)
        rows = cutting.known[start] + await self._count(only)
        if not cutting.known[low] <= rows <= cutting.known[high]:
            least, most = (cutting.known[end] - cutting.known[start] for end in (low, high))
            counted = rows - cutting.known[start]
            raise _differ(f"{counted:,} URLs {only.in_words()}, where other counts leave {least:,} to {most:,}")
        return rows

    def _joined(self, cutting: _Cutting, places: list[int]) -> list[Slice]:
        """Return the pieces between the places, neighbours joined that fit together, or of which one is empty."""
        known = cutting.known
        ends = places[:2]
        for end in places[2:]:
            last, this = known[ends[-1]] - known[ends[-2]], known[end] - known[ends[-1]]
            if last + this <= self._max_rows or not last or not this:
                ends.pop()
            ends.append(end)
        if len(ends) == 2 and cutting.rows == cutting.part.rows:
            return [cutting.part]
        return [
            Slice(filter=cutting.filter(*piece), rows=known[piece[1]] - known[piece[0]]) for piece in pairwise(ends)
        ]

    def _remember(self, cutting: _Cutting) -> None:
        """Keep how the part is spread along its axis: another part may be spread alike."""
        if len(cutting.known) > len(self._shapes.get(cutting.axis, ())):
            spread = sorted(cutting.known.items())
            inner = [(place, rows) for place, rows in spread if cutting.axis.is_finite(place)]
            self._shapes[cutting.axis] = [(place, rows / cutting.rows) for place, rows in inner]


def _place(shape: Sequence[tuple[int, float]], share: float) -> int | None:
    """Return the place below which such a share of the rows lies, in proportion between the places known."""
    for (low, share_low), (high, share_high) in pairwise(shape):
        if share_low <= share < share_high:
            return round(low + (high - low) * (share - share_low) / (share_high - share_low))
    return None


def _differ(sums: str) -> RowsDiffer:
    return RowsDiffer(
        f"Botify's counts do not add up: {sums}. No job was made.",
        next_step="Run again later; if it stays, ask Botify's support about this analysis.",
    )
