"""A picture of numbers as bars: SVG, which is text that can be written without any library of pictures.

Prefect's pages show an image artifact in both of its interfaces, and hand their theme on to it. The Mermaid charts that
one of the two draws have no legend, no numbers that hold, and a stub of a bar for nothing (seen with Prefect 3.8.8).
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 640
"""In pixels: what the narrowest of the pages shows without shrinking the text much."""
_ROW: Final = 22
_TOP: Final = 78
_LEFT: Final = 14
_NAME_ENDS: Final = 96
_BAR_BEGINS: Final = 106
_BAR_WIDEST: Final = 326
_NUMBER_ENDS: Final = 516
_NOTE_ENDS: Final = WIDTH - _LEFT
# More parts than this in one bar would have no room for their labels, and the text of all bars no bound.
_MOST_PARTS: Final = 20

COLOURS: Final = 6
"""How many colours there are to tell neighbours apart: 0 to 5."""
EXPORTED: Final = 0
LEFT_OUT: Final = COLOURS

# Each is read on white and on near black, and carries white figures; none is told from its neighbour by hue alone.
_STYLE: Final = (
    ".page{fill:#fff}text{fill:#1f2430}.faint{fill:#5d6474}.in{fill:#fff;font-size:11px}.end{text-anchor:end}"
    ".cut{stroke:#1f2430;stroke-dasharray:5 4}"
    ".c0{fill:#2f6bd0}.c1{fill:#b8561b}.c2{fill:#25805a}.c3{fill:#9c3a74}.c4{fill:#6a58b8}.c5{fill:#7d6a1e}"
    ".c6{fill:#b9c0cc}"
    "@media(prefers-color-scheme:dark){.page{fill:#1d1f24}text{fill:#e8eaef}.faint{fill:#a3a9b6}.in{fill:#fff}"
    ".cut{stroke:#e8eaef}.c6{fill:#565d6a}}"
)


@dataclass(frozen=True)
class Part:
    """A part of a bar, in one of the colours; the label is written where there is room for it."""

    urls: int
    colour: int
    label: str = ""


@dataclass(frozen=True)
class Bar:
    """One row of the picture: its name, its bar, the URLs of all parts as a number, and a note at its end."""

    name: str
    parts: tuple[Part, ...]
    note: str = ""

    @property
    def urls(self) -> int:
        return sum(part.urls for part in self.parts)


@dataclass(frozen=True)
class Picture:
    """Bars beneath one another. `cut_after` is the number of bars above the cut, which `cut_says` explains."""

    title: str
    subtitle: str
    name_heading: str
    note_heading: str
    bars: tuple[Bar, ...]
    legend: tuple[Part, ...] = ()
    cut_after: int | None = None
    cut_says: str = ""

    def svg(self) -> str:
        """Draw it, bars to one scale. Every text is escaped."""
        rows = "".join(_row(bar, y, self._longest) for bar, y in zip(self.bars, self._places(), strict=True))
        height = _TOP + _ROW * len(self.bars) + _ROW * (self.cut_after is not None) + 10
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
            f' role="img" font-family="system-ui,sans-serif" font-size="13"><title>{escape(self.title)}</title>'
            f'<style>{_STYLE}</style><rect class="page" width="{WIDTH}" height="{height}" rx="6"/>'
            f"{self._head()}{rows}{self._cut()}</svg>"
        )

    def data_uri(self) -> str:
        """Return it as an address that needs no server."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg().encode()).decode()

    @property
    def _longest(self) -> int:
        return max((bar.urls for bar in self.bars), default=0)

    def _places(self) -> Iterator[int]:
        for number in range(len(self.bars)):
            below_cut = self.cut_after is not None and number >= self.cut_after
            yield _TOP + _ROW * (number + below_cut)

    def _head(self) -> str:
        size = max(9, min(16, 940 // max(len(self.title), 1)))  # a long name is small, not cut off
        title = _text(_LEFT, 24, self.title, attributes=f' font-size="{size}" font-weight="600"')
        columns = ((_NAME_ENDS, self.name_heading), (_NUMBER_ENDS, "URLs"), (_NOTE_ENDS, self.note_heading))
        headings = "".join(_text(x, 70, heading, "end faint") for x, heading in columns)
        legend = "".join(_key(part, _BAR_BEGINS + 100 * number) for number, part in enumerate(self.legend))
        return title + _text(_LEFT, 44, self.subtitle, "faint") + headings + legend

    def _cut(self) -> str:
        if self.cut_after is None:
            return ""
        y = _TOP + _ROW * self.cut_after + 3
        line = f'<path class="cut" d="M{_LEFT} {y}H{_NOTE_ENDS}"/>'
        return line + _text(_BAR_BEGINS, y + 14, self.cut_says, "faint", ' font-size="12"')


def _row(bar: Bar, y: int, longest: int) -> str:
    base = y + 15
    texts = _text(_NAME_ENDS, base, bar.name, "end") + _text(_NUMBER_ENDS, base, f"{bar.urls:,}", "end")
    note = _text(_NOTE_ENDS, base, bar.note, "end faint") if bar.note else ""
    return texts + "".join(_parts(bar, y + 2, _BAR_WIDEST / max(longest, 1))) + note


def _parts(bar: Bar, y: int, pixels: float) -> Iterator[str]:
    parts: Sequence[Part] = bar.parts
    if len(parts) > _MOST_PARTS:
        parts = [Part(bar.urls, parts[0].colour, f"{len(parts):,} slices")]
    x = float(_BAR_BEGINS)
    for part in parts:
        width = part.urls * pixels
        if part.urls:
            # A pixel less than its share, so that neighbours have a gap; never so little that it is not seen.
            shown = max(width - 1, 2.0)
            yield f'<rect class="c{part.colour}" x="{x:.1f}" y="{y}" width="{shown:.1f}" height="17" rx="1"/>'
            if part.label and shown > 7 * len(part.label) + 6:
                yield _text(x + 4, y + 13, part.label, "in")
        x += width


def _key(part: Part, x: int) -> str:
    square = f'<rect class="c{part.colour}" x="{x}" y="60" width="11" height="11" rx="1"/>'
    return square + _text(x + 16, 70, part.label)


def _text(x: float, y: float, text: str, style: str = "", attributes: str = "") -> str:
    class_ = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}"{class_}{attributes}>{escape(text)}</text>' if text else ""
