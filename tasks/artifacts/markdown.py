"""Markdown of texts that are whatever a web page says, so that they stand on Prefect's pages as they are."""

import re
from collections.abc import Sequence

_MARKUP = re.compile(r"[\\`*_~\[\]<>&|#!\"']")


def text(value: str, widest: int | None = None) -> str:
    """Return the text on one line, shortened, with all that could be markup as a character reference."""
    line = " ".join(value.split())
    if widest is not None and len(line) > widest:
        line = f"{line[: widest - 1]}…"
    return _MARKUP.sub(lambda mark: f"&#{ord(mark.group())};", line)


def code(value: str) -> str:
    """Return the text as code that can stand in a cell; what would end the code or the cell is percent-encoded."""
    line = " ".join(value.split())
    return "`" + line.replace("`", "%60").replace("|", "%7C") + "`"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
