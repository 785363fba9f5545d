"""The depth plan as a picture: URLs per depth, and which of them are exported, by which job."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from prefect.artifacts import acreate_image_artifact

from tasks.artifacts.bars import COLOURS, EXPORTED, LEFT_OUT, Bar, Part, Picture
from tasks.artifacts.keys import artifact_key
from tasks.exports.depth import DepthPlan, DepthTable, share
from tasks.exports.filters import Depths, Every, Filter, NoDepth, ToDepth
from tasks.exports.project_address import ProjectAddress
from tasks.exports.slices import SlicePlan

MOST_BARS: Final = 60
"""Of a site that is deeper, as many neighbouring depths share each bar as it takes."""


def depth_picture(plan: DepthPlan, title: str) -> Picture:
    """Draw the depths that are exported above a cut, and what stays behind below it."""
    deepest = sum(count.depth <= plan.max_depth for count in plan.table.counts)
    to_depth = [f"{count.urls:,}" for count in plan.table.cumulative()]
    bars = [
        Bar(str(count.depth), (Part(count.urls, EXPORTED if number < deepest else LEFT_OUT),), note)
        for number, (count, note) in enumerate(zip(plan.table.counts, to_depth, strict=True))
    ]
    each = _depths_a_bar(len(bars))
    exported, left_out = _folded(bars[:deepest], each), _folded(bars[deepest:], each)
    if plan.table.without_depth:
        left_out.append(Bar("no depth", (Part(plan.table.without_depth, LEFT_OUT),)))
    return Picture(
        title=title,
        subtitle=f"{plan.rows:,} of {plan.urls_total:,} URLs, {share(plan.rows, plan.urls_total)}",
        name_heading="depth",
        note_heading="to this depth",
        bars=(*exported, *left_out),
        legend=(Part(0, EXPORTED, "exported"), Part(0, LEFT_OUT, "not exported")),
        cut_after=len(exported) if left_out else None,
        cut_says=_cut_in_words(plan),
    )


def slice_picture(plan: SlicePlan, table: DepthTable, title: str) -> Picture:
    """Draw every depth in the colours of the slices that hold its URLs."""
    parts = _parts_by_depth(plan, table)
    bars = [Bar(str(count.depth), tuple(parts[count.depth])) for count in table.counts]
    bars = _folded(bars, _depths_a_bar(len(bars)))
    if table.without_depth:
        bars.append(Bar("no depth", tuple(parts[None])))
    number = len(plan.slices)
    return Picture(
        title=title,
        subtitle=f"{plan.urls_total:,} URLs in {'1 slice' if number == 1 else f'{number:,} slices'}"
        f" of at most {plan.max_rows:,} rows",
        name_heading="depth",
        note_heading="in slice",
        bars=tuple(Bar(bar.name, bar.parts, _slices_in_words(bar)) for bar in bars),
    )


async def draw_depth_plan(plan: DepthPlan, address: ProjectAddress, analysis: str) -> None:
    """Publish the picture of a depth plan."""
    picture = depth_picture(plan, f"{address} {analysis}: URLs per depth")
    await _publish(picture, artifact_key("depth-picture", address.org, address.project), plan.in_words())


async def draw_slice_plan(plan: SlicePlan, address: ProjectAddress, analysis: str) -> None:
    """Publish the picture of a slice plan; there is none of one that was made before plans held their depths."""
    if plan.table is None:
        return
    picture = slice_picture(plan, plan.table, f"{address} {analysis}: URLs per depth")
    await _publish(picture, artifact_key("slice-picture", address.org, address.project), plan.in_words())


async def _publish(picture: Picture, key: str, words: str) -> None:
    await acreate_image_artifact(picture.data_uri(), key=key, description=words)


def _cut_in_words(plan: DepthPlan) -> str:
    if plan.next_depth is None:
        return "not exported: URLs that no link leads to have no depth"
    fits = "would exceed" if plan.next_depth.urls > plan.max_rows else "would still fit"
    return f"{plan.next_depth.urls:,} URLs to depth {plan.next_depth.depth} {fits} the limit of {plan.max_rows:,}"


def _depths_a_bar(depths: int) -> int:
    return 1 if depths <= MOST_BARS else math.ceil(depths / (MOST_BARS - 1))  # a cut divides one group more


def _folded(bars: Sequence[Bar], each: int) -> list[Bar]:
    """Put so many neighbours together into one bar."""
    return list(bars) if each == 1 else [_joined(bars[first : first + each]) for first in range(0, len(bars), each)]


def _joined(bars: Sequence[Bar]) -> Bar:
    groups = groupby((part for bar in bars for part in bar.parts), lambda part: (part.colour, part.label))
    parts = tuple(Part(sum(part.urls for part in group), *colour_and_label) for colour_and_label, group in groups)
    name = bars[0].name if len(bars) == 1 else f"{bars[0].name} to {bars[-1].name}"
    return Bar(name, parts, bars[-1].note)


def _parts_by_depth(plan: SlicePlan, table: DepthTable) -> dict[int | None, list[Part]]:
    """Return what each slice holds of every depth: all of it, or, where a depth is divided, as many as were counted."""
    urls: dict[int | None, int] = {count.depth: count.urls for count in table.counts} | {None: table.without_depth}
    parts: dict[int | None, list[Part]] = defaultdict(list)
    for number, each in enumerate(plan.slices):
        divided = isinstance(each.filter, Every)
        for depth in _depths(each.filter, table):
            rows = each.rows if divided else urls[depth]
            parts[depth].append(Part(rows, number % COLOURS, str(number + 1)))
    return parts


def _depths(only: Filter, table: DepthTable) -> Sequence[int | None]:
    known = [count.depth for count in table.counts]
    match only:
        case Every(parts=(first, *_)):
            return _depths(first, table)
        case NoDepth():
            return [None]
        case ToDepth(max_depth=deepest):
            return known[: bisect_right(known, deepest)]
        case Depths(first_depth=first_depth, last_depth=last_depth):
            return known[bisect_left(known, first_depth) : bisect_right(known, last_depth)]
    return []


def _slices_in_words(bar: Bar) -> str:
    numbers = [part.label for part in bar.parts]
    return numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
