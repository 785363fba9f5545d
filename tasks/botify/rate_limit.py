"""Never more requests in any one second than Botify allows (botify-api.md §7.1), whatever this process does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from weakref import WeakKeyDictionary

Grant = Callable[[int], Awaitable[None]]
"""Returns when all who share the account's limit, of so many requests a second, let one more request through."""

_limits: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], "RateLimit"]] = WeakKeyDictionary()
_grant: ContextVar[Grant | None] = ContextVar("grant", default=None)


@contextmanager
def shared_through(grant: Grant | None) -> Iterator[None]:
    """Ask the grant, too, before every request inside."""
    reset = _grant.set(grant)
    try:
        yield
    finally:
        _grant.reset(reset)


class RateLimit:
    """A fixed number of places; a place is free again one second after its answer.

    Counting from the answer, not from the sending, keeps the promise as the server sees it: a request that
    the network delays cannot arrive in the same second as the one that takes its place.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._places = asyncio.Semaphore(per_second)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        async with self._turn:
            await self._places.acquire()
            if grant := _grant.get():
                self._places.release()  # only to whoever has the turn: while it waits, the place is not used up
                await grant(self._per_second)
                await self._places.acquire()
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(1.0, self._places.release)


def rate_limit(host: str, per_second: int) -> RateLimit:
    """Return the one limit that all clients of this host share in this event loop."""
    of_this_loop = _limits.setdefault(asyncio.get_running_loop(), {})
    return of_this_loop.setdefault((host, per_second), RateLimit(per_second))
