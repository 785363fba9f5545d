"""The picture of a plan: what it draws, read back as XML."""

import xml.etree.ElementTree as ET
from base64 import b64decode
from itertools import pairwise

import pytest

from tasks.artifacts.bars import Bar, Part, Picture
from tasks.artifacts.depth_picture import MOST_BARS, depth_picture, slice_picture
from tasks.exports.depth import DepthTable, choose_depth
from tasks.exports.filters import Depths, Filter, NoDepth, NumberRange, ToDepth, every
from tasks.exports.slices import Slice, SlicePlan

SVG = "{http://www.w3.org/2000/svg}"
BOOST: dict[int | None, int] = {0: 1, 1: 53, 2: 440, 3: 3082, 4: 230, 5: 2}


def drawing(picture: Picture) -> ET.Element:
    return ET.fromstring(picture.svg())


def texts(picture: Picture) -> list[str]:
    return [str(text.text) for text in drawing(picture).iter(f"{SVG}text")]


def widths(picture: Picture, colour: str) -> list[float]:
    """The bars in this colour, without the squares of the legend."""
    bars = drawing(picture).iter(f"{SVG}rect")
    return [
        float(bar.attrib["width"]) for bar in bars if bar.attrib["class"] == colour and bar.attrib["height"] == "17"
    ]


def depths(urls: dict[int | None, int], max_rows: int = 1000) -> Picture:
    return depth_picture(choose_depth(DepthTable.of(urls.items()), max_rows=max_rows), "acme/site 20260101")


def sliced(urls: dict[int | None, int], *slices: tuple[Filter, int]) -> Picture:
    table = DepthTable.of(urls.items())
    plan = SlicePlan(
        slices=tuple(Slice(filter=only, rows=rows) for only, rows in slices),
        urls_total=table.total,
        urls_without_depth=table.without_depth,
        max_rows=1000,
        table=table,
    )
    return slice_picture(plan, table, "acme/site 20260101")


def named(picture: Picture) -> dict[str, tuple[Part, ...]]:
    return {bar.name: bar.parts for bar in picture.bars}


def test_what_is_exported_stands_above_the_cut_and_the_rest_below() -> None:
    """To one scale, with the number of every depth and of all to it, and why the cut is there."""
    picture = depths({**BOOST, None: 7})
    assert [bar.name for bar in picture.bars] == ["0", "1", "2", "3", "4", "5", "no depth"]
    assert [len(widths(picture, colour)) for colour in ("c0", "c6")] == [3, 4]
    longest, wide = max(widths(picture, "c6")), widths(picture, "c0")[2]
    assert wide + 1 == pytest.approx((longest + 1) * 440 / 3082, abs=0.1)
    said = texts(picture)
    assert {"acme/site 20260101", "494 of 3,815 URLs, 12.9 %", "3,082", "3,576"} <= set(said)
    assert "3,576 URLs to depth 3 would exceed the limit of 1,000" in said
    (cut,) = drawing(picture).iter(f"{SVG}path")
    tops = [float(bar.attrib["y"]) for bar in drawing(picture).iter(f"{SVG}rect") if bar.attrib.get("height") == "17"]
    assert tops[2] + 17 < float(cut.attrib["d"].split()[1].partition("H")[0]) < tops[3]


def test_a_site_that_is_exported_whole_has_no_cut() -> None:
    """One depth, one bar."""
    picture = depths({0: 1})
    assert (len(picture.bars), picture.cut_after) == (1, None)
    assert not list(drawing(picture).iter(f"{SVG}path"))


def test_urls_without_a_depth_are_what_a_whole_depth_plan_leaves_out() -> None:
    """Said in words: no depth would reach them."""
    assert "not exported: URLs that no link leads to have no depth" in texts(depths({0: 1, None: 5}))


def test_a_depth_beside_one_a_thousand_times_larger_is_still_seen() -> None:
    """A pixel at the least."""
    assert min(widths(depths({0: 1, 1: 1_000_000}), "c0")) >= 1


@pytest.mark.parametrize("deepest", [60, 61, 119, 2000])
@pytest.mark.parametrize("max_rows", [1, 300, 10**6])
def test_a_deep_site_is_drawn_in_a_bounded_number_of_bars(deepest: int, max_rows: int) -> None:
    """Neighbours share a bar, none crosses the cut, and no URL is lost."""
    picture = depths(dict.fromkeys(range(deepest), 1), max_rows)
    assert len(picture.bars) <= MOST_BARS
    assert sum(bar.urls for bar in picture.bars) == deepest
    assert all(len(bar.parts) == 1 for bar in picture.bars)
    assert sum(bar.urls for bar in picture.bars[: picture.cut_after]) == min(deepest, max_rows)


def test_every_depth_is_drawn_in_the_colours_of_its_slices() -> None:
    """Whole depths that share a slice, a depth in several, and what has no depth."""
    picture = sliced(
        {0: 1, 1: 9, 2: 2500, 3: 5, 4: 6, None: 40},
        (ToDepth(max_depth=1), 10),
        (every(Depths(first_depth=2, last_depth=2), NumberRange(field="x", at_least=None, below=5)), 990),
        (every(Depths(first_depth=2, last_depth=2), NumberRange(field="x", at_least=5, below=None)), 1510),
        (Depths(first_depth=3, last_depth=4), 11),
        (NoDepth(), 40),
    )
    assert named(picture) == {
        "0": (Part(1, 0, "1"),),
        "1": (Part(9, 0, "1"),),
        "2": (Part(990, 1, "2"), Part(1510, 2, "3")),
        "3": (Part(5, 3, "4"),),
        "4": (Part(6, 3, "4"),),
        "no depth": (Part(40, 4, "5"),),
    }
    assert [bar.note for bar in picture.bars] == ["1", "1", "2 to 3", "4", "4", "5"]
    assert "2,561 URLs in 5 slices of at most 1,000 rows" in texts(picture)


def test_the_parts_of_a_bar_stand_side_by_side() -> None:
    """With a gap of a pixel between them, from the same line as every other bar."""
    whole = Depths(first_depth=0, last_depth=0)
    cuts = (NumberRange(field="x", at_least=n, below=n + 1) for n in range(3))
    picture = sliced(
        {0: 60, 1: 5}, *((every(whole, cut), 20) for cut in cuts), (Depths(first_depth=1, last_depth=1), 5)
    )
    bars = [bar.attrib for bar in drawing(picture).iter(f"{SVG}rect") if bar.attrib["height"] == "17"]
    places = [(float(bar["x"]), float(bar["x"]) + float(bar["width"])) for bar in bars]
    assert [begins - ended for (_, ended), (begins, _) in pairwise(places[:3])] == pytest.approx([1, 1], abs=0.11)
    assert places[3][0] == places[0][0]


def test_slices_that_share_bars_of_a_deep_site_are_not_cut_up() -> None:
    """One part of a bar for one slice, however many depths it holds."""
    picture = sliced(
        dict.fromkeys(range(600), 1), (ToDepth(max_depth=14), 15), (Depths(first_depth=15, last_depth=599), 585)
    )
    assert [bar.parts for bar in picture.bars[:2]] == [(Part(11, 0, "1"),), (Part(4, 0, "1"), Part(7, 1, "2"))]
    assert len(picture.bars) == 55


def test_very_many_slices_of_a_depth_are_counted() -> None:
    """The picture stays small."""
    cuts = [NumberRange(field="x", at_least=n, below=n + 1) for n in range(5000)]
    whole = Depths(first_depth=0, last_depth=0)
    picture = sliced({0: 5000}, *((every(whole, cut), 1) for cut in cuts))
    assert "5,000 slices" in texts(picture)
    assert "1 to 5000" in texts(picture)
    assert len(picture.svg()) < 3000


def test_texts_are_texts_whatever_they_hold() -> None:
    """No name or title ends its element."""
    hostile = "</text></svg><script>alert(1)</script>&amp;\"'"
    picture = Picture(
        hostile,
        hostile,
        hostile,
        hostile,
        (Bar(hostile, (Part(100, 0, hostile),), hostile),),
        (Part(0, 0, hostile),),
        1,
        hostile,
    )
    root = drawing(picture)
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert texts(picture).count(hostile) == 9
    assert root.findtext(f"{SVG}title") == hostile


def test_the_picture_is_its_own_address() -> None:
    """The bytes of the SVG, and nothing that would have to be fetched."""
    picture = depths(BOOST)
    start, _, content = picture.data_uri().partition(",")
    assert (start, b64decode(content).decode()) == ("data:image/svg+xml;base64", picture.svg())
    assert picture.svg().count("://") == 1  # the name of SVG itself
