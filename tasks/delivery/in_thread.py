"""Blocking work beside an event loop, that stops when the loop's task is cancelled."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

# How long a cancelled run waits for its thread: it looks at `stop` between two chunks.
STOPPING: Final = 1.5


async def in_thread(work: Callable[[threading.Event], Result]) -> Result:
    """Run `work(stop)` in a thread; when this is cancelled, `stop` is set and the thread gets a moment to end."""
    stop = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        running.add_done_callback(lambda thread: thread.exception())  # nobody is left to hear how it ended
        await asyncio.wait([running], timeout=STOPPING)
        raise
