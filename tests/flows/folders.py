"""Whole output folders, compared at once."""

import csv
from pathlib import Path

from upath import UPath


def contents(data_dir: Path) -> dict[str, bytes]:
    """Every published file by its path in the data folder; what is internal is left out."""
    return {
        str(path.relative_to(data_dir)): path.read_bytes()
        for path in sorted(data_dir.rglob("*"))
        if path.is_file() and not path.relative_to(data_dir).parts[0].startswith(".")
    }


def published(data_dir: Path) -> list[str]:
    """The names of the published files."""
    return list(contents(data_dir))


def rows_of(path: UPath) -> list[dict[str, str]]:
    """The rows of a CSV file, as Python's own reader sees them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
