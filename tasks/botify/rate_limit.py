"""Never more requests in any one second than Botify allows (botify-api.md §7.1), whatever this process does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

_limits: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], "RateLimit"]] = WeakKeyDictionary()


class RateLimit:
    """A fixed number of places; a place is free again one second after its answer.

    Counting from the answer, not from the sending, keeps the promise as the server sees it: a request that
    the network delays cannot arrive in the same second as the one that takes its place.
    """

    def __init__(self, per_second: int) -> None:
        self._places = asyncio.Semaphore(per_second)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        await self._places.acquire()
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(1.0, self._places.release)


def rate_limit(host: str, per_second: int) -> RateLimit:
    """Return the one limit that all clients of this host share in this event loop."""
    of_this_loop = _limits.setdefault(asyncio.get_running_loop(), {})
    return of_this_loop.setdefault((host, per_second), RateLimit(per_second))
