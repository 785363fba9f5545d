"""From a folder on this disk to a place behind an address, where nothing can be renamed in one step."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath

from tasks.exports.errors import DataFolderUnusable
from tasks.files.reached import reached


def upload(source: Path, names: Iterable[str], seal: str, target: UPath) -> None:
    """Put the files into the target, and `seal` last: what has its seal is whole, what has none is not there.

    A target that had its seal loses it first, and is kept under another name. Every file appears whole or not at all,
    where the place is an object store. Raises DataFolderUnusable.
    """
    with reached(target):
        if (target / seal).exists():
            _keep(target)
            (target / seal).unlink()
        for name in (*names, seal):
            _put(source / name, target / name)


def _keep(folder: UPath) -> None:
    aside = f"{folder.path}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    for path in folder.iterdir():
        path.fs.copy(path.path, f"{aside}/{path.name}")


def _put(source: Path, target: UPath) -> None:
    # A store checks what arrives by a checksum that its library sends along; a cut is seen by the size anywhere.
    target.fs.put_file(str(source), target.path)
    there, here = target.fs.size(target.path), source.stat().st_size
    if there != here:
        raise DataFolderUnusable(f"{target} has {there} bytes after its upload, not {here}.")
