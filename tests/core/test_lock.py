"""One at a time, by a lock that dies with its holder."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.exports.errors import DataFolderUnusable
from tasks.ledger.lock import export_lock

pytestmark = pytest.mark.anyio

HOLD = """
import asyncio, sys
from pathlib import Path
from tasks.ledger.lock import export_lock

async def hold():
    async with export_lock(Path(sys.argv[1]), "the child", print):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


def ignore(holder: str) -> None:
    """Do nothing with who holds the lock."""


async def test_the_second_waits_and_is_told_for_whom() -> None:
    """Also within one process; told once, however long it lasts."""
    path = Path("locks/x.lock")
    told: list[str] = []
    order: list[str] = []

    async def second() -> None:
        async with export_lock(path, "the second", told.append):
            order.append("second")

    async with export_lock(path, "the first", ignore):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(30)
        order.append("first")
    await waiting
    assert order == ["first", "second"]
    assert told == ["the first"]


async def test_different_exports_never_wait_for_each_other() -> None:
    """A lock per fingerprint."""
    async with export_lock(Path("a.lock"), "a", ignore), export_lock(Path("b.lock"), "b", pytest.fail):
        pass


async def test_a_cancelled_waiter_leaves_the_lock_alone() -> None:
    """And a cancelled holder frees it."""
    path = Path("x.lock")
    async with export_lock(path, "the first", ignore):
        waiting = asyncio.create_task(export_lock(path, "the second", ignore).__aenter__())
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with export_lock(path, "the third", pytest.fail):
        pass


async def test_a_lock_whose_folder_was_deleted_is_taken_anew() -> None:
    """A data folder that was deleted half-way does not let two in later."""
    path = Path("locks/x.lock")
    async with export_lock(path, "the first", ignore):
        shutil.rmtree("locks")
        async with export_lock(path, "the second", pytest.fail):
            assert path.read_text() == "the second"


async def test_a_folder_that_takes_no_lock_is_an_error() -> None:
    """Not an export without a lock."""
    Path("locks").write_text("a file")
    with pytest.raises(DataFolderUnusable):
        async with export_lock(Path("locks/x.lock"), "me", ignore):
            pass


async def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    """SIGKILL: no hand-over, no expiry to wait for."""
    path = tmp_path / "x.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert path.read_text() == "the child"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    async with export_lock(path, "me", pytest.fail):
        pass
