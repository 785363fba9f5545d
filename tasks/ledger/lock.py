"""One process at a time for one export, by a lock that dies with its holder."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tasks.exports.errors import DataFolderUnusable
from tasks.files.durable import make_folder

LOOK_EVERY: Final = 0.2


class Hold:
    """That this process alone is at an export. The kernel's lock ends with the process, so there it always holds."""

    def check(self) -> None:
        """Raise HoldLost if it may have ended: called right before what must not be done by two."""


@asynccontextmanager
async def export_lock(path: Path, holder: str, on_wait: Callable[[str], None]) -> AsyncIterator[Hold]:
    """Hold the lock of one export; while another process holds it, wait, having told `on_wait` who that is.

    The kernel frees the lock when its holder dies, however it dies; the file stays, and says who held it last.
    Raises DataFolderUnusable.
    """
    told = False
    while (descriptor := _try(path, holder)) is None:
        if not told:
            on_wait(_holder(path))
            told = True
        await asyncio.sleep(LOOK_EVERY)
    try:
        yield Hold()
    finally:
        os.close(descriptor)


def _try(path: Path, holder: str) -> int | None:
    try:
        make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise DataFolderUnusable(f"{path} cannot be written: {error.strerror or error}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_still_there(descriptor, path):  # the data folder was deleted between open and lock
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise DataFolderUnusable(f"{path} cannot be locked: {error.strerror or error}.") from error
    return descriptor


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
