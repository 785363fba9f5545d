"""One client, and so its few connections, for all that wait in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tasks.botify.client import BotifyClient
from tasks.exports.settings import Settings


@dataclass
class _Shared:
    client: BotifyClient
    users: int = 0


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Settings, _Shared]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_client(settings: Settings) -> AsyncIterator[BotifyClient]:
    """Use the client that everybody with these settings uses in this event loop; the last one closes it.

    A client of its own would keep a connection open for each that waits, which looks again only when that is too old.
    """
    of_this_loop = _shared.setdefault(asyncio.get_running_loop(), {})
    if settings not in of_this_loop:  # whom nobody overtakes: nothing is waited for when a client is entered
        of_this_loop[settings] = _Shared(await BotifyClient(settings).__aenter__())
    shared = of_this_loop[settings]
    shared.users += 1
    try:
        yield shared.client
    finally:
        shared.users -= 1
        if not shared.users:
            del of_this_loop[settings]
            await shared.client.__aexit__(None, None, None)
