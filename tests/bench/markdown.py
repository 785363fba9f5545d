"""Tables in Markdown."""

from collections.abc import Sequence


def head(*cells: str) -> Sequence[str]:
    """Return the first two lines of a table."""
    return line(*cells), line(*("---" for _ in cells))


def line(*cells: object) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(map(str, cells))} |"
