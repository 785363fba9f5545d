"""How deep an export can go: the arithmetic of URLs per depth."""

from collections.abc import Iterable
from itertools import accumulate
from typing import Self

from pydantic import BaseModel, ConfigDict

from tasks.exports.errors import DepthRefused


class DepthCount(BaseModel):
    """The URLs that are exactly this many clicks from the start page."""

    model_config = ConfigDict(frozen=True)

    depth: int
    urls: int


class DepthTable(BaseModel):
    """An analysis's URLs per depth, shallowest first, and those that no link leads to."""

    model_config = ConfigDict(frozen=True)

    counts: tuple[DepthCount, ...]
    without_depth: int = 0

    @classmethod
    def of(cls, counts: Iterable[tuple[int | None, int]]) -> Self:
        """Make a table of (depth or None, URLs) pairs in any order; a depth named twice is added up."""
        by_depth: dict[int | None, int] = {}
        for depth, urls in counts:
            by_depth[depth] = by_depth.get(depth, 0) + urls
        without_depth = by_depth.pop(None, 0)
        pairs = sorted((depth, urls) for depth, urls in by_depth.items() if depth is not None and urls)
        return cls(counts=tuple(DepthCount(depth=d, urls=u) for d, u in pairs), without_depth=without_depth)

    @property
    def total(self) -> int:
        return sum(count.urls for count in self.counts) + self.without_depth

    def cumulative(self) -> tuple[DepthCount, ...]:
        """Return the URLs to each depth, that depth included."""
        sums = accumulate(count.urls for count in self.counts)
        return tuple(DepthCount(depth=c.depth, urls=s) for c, s in zip(self.counts, sums, strict=True))


class DepthPlan(BaseModel):
    """The depth that an export goes to, and what it leaves behind. Rows are URLs are credits (botify-api.md §7.1)."""

    model_config = ConfigDict(frozen=True)

    table: DepthTable
    max_depth: int
    rows: int
    max_rows: int

    @property
    def urls_total(self) -> int:
        return self.table.total

    @property
    def next_depth(self) -> DepthCount | None:
        """The next deeper depth with the URLs to it, or None when this one is the deepest."""
        return next((count for count in self.table.cumulative() if count.depth > self.max_depth), None)

    def in_words(self) -> str:
        """Say how many URLs the depth holds, what share of the site that is, and what stays behind."""
        words = f"{self.rows:,} URLs to depth {self.max_depth}, {share(self.rows, self.urls_total)} of the site"
        if self.next_depth:
            words += f"; {self.next_depth.urls:,} to depth {self.next_depth.depth}"
            words += " would exceed" if self.next_depth.urls > self.max_rows else " would still fit"
            words += f" the limit of {self.max_rows:,}"
        if self.table.without_depth:
            words += f"; {self.table.without_depth:,} URLs have no depth and are not covered"
        return words + "."

    def rest_in_words(self) -> str:
        """Say what an export of the whole site would add, and cost: this depth, if it is as deep as the limit allows,
        is its first slice and not paid for again.
        """
        rest = self.urls_total - self.rows
        if not rest:
            return ""
        is_first_slice = self.next_depth is None or self.next_depth.urls > self.max_rows
        price = f"{rest:,} credits more" if is_first_slice else f"{self.urls_total:,} credits"
        return f"With --coverage full the other {rest:,} URLs come as well, for {price}."


def choose_depth(table: DepthTable, *, max_rows: int, max_depth: int | None = None) -> DepthPlan:
    """Choose the deepest depth, `max_depth` at the most, to which no more than `max_rows` URLs lead.

    A gap between the depths is never named: the depth chosen has URLs. Raises DepthRefused.
    """
    cumulative = table.cumulative()
    if not cumulative:
        raise DepthRefused(f"No URL of this analysis has a depth ({table.without_depth:,} have none).", next_step="")
    within = [count for count in cumulative if max_depth is None or count.depth <= max_depth]
    if not within:
        shallowest = cumulative[0].depth
        raise DepthRefused(
            f"The site begins at depth {shallowest}: there is nothing to depth {max_depth}.",
            next_step=f"Use --max-depth {shallowest} or deeper.",
        )
    fitting = [count for count in within if count.urls <= max_rows]
    if not fitting:
        first = cumulative[0]
        raise DepthRefused(
            f"Depth {first.depth} alone holds {first.urls:,} URLs, more than the limit of {max_rows:,} rows.",
            next_step="Raise --max-rows, or use --coverage full.",
        )
    return DepthPlan(table=table, max_depth=fitting[-1].depth, rows=fitting[-1].urls, max_rows=max_rows)


def share(part: int, whole: int) -> str:
    """Write part of whole as a percentage that says 100.0 % only of everything, and 0.0 % only of nothing."""
    percent = part / whole * 100 if whole else 100.0
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if 99.9 < percent < 100 else f"{percent:.1f} %"


def depth_rows(plan: DepthPlan) -> list[dict[str, str]]:
    """Return the plan in words, a row per depth: what the table artifact and the terminal show."""
    rows = [
        _row(str(count.depth), count.urls, plan, total.urls)
        for count, total in zip(plan.table.counts, plan.table.cumulative(), strict=True)
    ]
    if plan.table.without_depth:
        rows.append(_row("none", plan.table.without_depth, plan, None))
    return rows


def _row(depth: str, urls: int, plan: DepthPlan, to_this_depth: int | None) -> dict[str, str]:
    return {
        "Depth": depth,
        "URLs": f"{urls:,}",
        "URLs to this depth": "" if to_this_depth is None else f"{to_this_depth:,}",
        "Share of the site": "" if to_this_depth is None else share(to_this_depth, plan.urls_total),
        "Exported": "yes" if to_this_depth is not None and to_this_depth <= plan.rows else "no",
    }
