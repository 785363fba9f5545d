"""Speaking to a place behind an address: whatever its library raises becomes our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upath import UPath

from tasks.exports.errors import DataFolderUnusable, ExportError


@contextmanager
def reached(place: UPath | Path) -> Iterator[None]:
    """Raise DataFolderUnusable for whatever keeps the place from being read or written, but FileNotFoundError as is.

    Each library behind fsspec has errors of its own, most of them no OSError: without credentials, without an answer.
    """
    try:
        yield
    except (ExportError, FileNotFoundError):
        raise
    except OSError as error:
        raise DataFolderUnusable(f"{place} cannot be used: {error.strerror or error}.") from error
    except Exception as error:
        if isinstance(place, Path):
            raise
        raise DataFolderUnusable(
            f"{place} cannot be used: {error}.",
            next_step="Check its address and its credentials, then run the same command again.",
        ) from error


def is_there(place: UPath | Path) -> bool:
    """Tell whether the file or the folder exists. Raises DataFolderUnusable."""
    with reached(place):
        return bool(place.exists())
