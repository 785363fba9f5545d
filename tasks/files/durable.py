"""Writes that survive the loss of power: whole under their name, or not there."""

import os
from contextlib import suppress
from pathlib import Path

from tasks.exports.errors import DataFolderUnusable


def write_durably(path: Path, content: bytes) -> None:
    """Replace the file in one step; when this returns, content and name are on disk.

    One writer at a time: whoever holds the export's lock. Raises DataFolderUnusable.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        make_folder(path.parent)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise DataFolderUnusable(f"{path} cannot be written: {error.strerror or error}.") from error


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file or a folder in one step, on disk when this returns. Raises DataFolderUnusable."""
    try:
        make_folder(target.parent)
        source.rename(target)
        sync_folder(target.parent)
        sync_folder(source.parent)
    except OSError as error:
        raise DataFolderUnusable(f"{source} cannot become {target}: {error.strerror or error}.") from error


def make_folder(folder: Path) -> None:
    """Make the folder and its parents, each name on disk when this returns. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
