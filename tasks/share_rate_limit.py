"""Around every run: its requests count against the limit that all workers share on the Prefect server."""

import asyncio
import logging
import random
from contextlib import AbstractContextManager
from enum import Enum
from typing import Final
from weakref import WeakKeyDictionary

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from tasks.botify.account_limit import account_limit
from tasks.botify.rate_limit import shared_through

LOGGER = logging.getLogger("botify_export")

# A grant that was longer on its way is given up: it could be used in one second with those that were given after it.
# A server that is far away, or busy, gives no others: each that was given up, and that nobody else had, allows the next
# to be as much later as it takes for another to come.
STALE: Final = 0.1
ANSWER: Final = 5.0
# So long a server may be restarted or overloaded before every process keeps to the limit alone.
PATIENCE: Final = 60.0
LOOK_AGAIN: Final = 30.0
# The more processes wait, the more rarely each of them asks: this many times the interval of the grants, at most.
MOST_PATIENT: Final = 5.0

_rates: WeakKeyDictionary[asyncio.AbstractEventLoop, "_AccountRate"] = WeakKeyDictionary()


def rate_limit_shared() -> AbstractContextManager[None]:
    """Let the requests inside wait for the account's limit, as long as there is one; a temporary server shares none."""
    if not PREFECT_API_URL.value():
        return shared_through(None)
    return shared_through(_rates.setdefault(asyncio.get_running_loop(), _AccountRate()).grant)


class _Answer(Enum):
    GRANTED = "granted"
    BUSY = "busy"
    UNKNOWN = "unknown"
    SILENCE = "silence"


class _AccountRate:
    """Asks the server for one slot at a time, for all that runs in one event loop.

    Prefect's own `rate_limit` would take a thread for it, and record an event for every request.
    """

    def __init__(self) -> None:
        self._not_before = 0.0
        self._is_missed = False

    async def grant(self, per_second: int) -> None:
        """Return when a request may be sent; where nobody can say so, this process's own limit is left."""
        limit = account_limit(per_second)
        clock = asyncio.get_running_loop().time
        began = clock()
        intervals, stale = 1.0, STALE
        while not self._is_missed or clock() >= self._not_before:
            await asyncio.sleep(self._not_before - clock())
            answer, took = await _ask(limit.name)
            if answer is _Answer.UNKNOWN or (answer is _Answer.SILENCE and clock() - began > PATIENCE):
                return self._do_without(limit.name)
            self._is_missed = False
            if answer is _Answer.GRANTED:
                self._not_before = clock() + 1 / limit.slot_decay_per_second
                if took < stale:
                    return None
                stale += 1 / limit.slot_decay_per_second
            else:
                self._not_before = clock() + random.uniform(0.5, 1) * intervals / limit.slot_decay_per_second  # noqa: S311
                intervals = min(intervals * 1.5, MOST_PATIENT)
        return None

    def _do_without(self, name: str) -> None:
        if not self._is_missed:
            LOGGER.info("The Prefect server has no limit %s to share: this process keeps to its own.", name)
        self._is_missed = True
        self._not_before = asyncio.get_running_loop().time() + LOOK_AGAIN


async def _ask(name: str) -> tuple[_Answer, float]:
    """Take a slot if one is free; also return how long that took, in seconds.

    A denial sets back the time at which the slot frees itself, so that with many who ask it would never do so: whether
    it is free is read before, which changes nothing.
    """
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(ANSWER), get_client() as client:
            found = await client.read_global_concurrency_limit_by_name(name)
            if found.active_slots >= found.limit:
                return _Answer.BUSY, 0
            asked = clock()
            await client.increment_concurrency_slots([name], slots=1, mode="rate_limit")
    except ObjectNotFound:
        return _Answer.UNKNOWN, 0
    except httpx.HTTPStatusError as refusal:
        return (_Answer.BUSY if refusal.response.status_code == httpx.codes.LOCKED else _Answer.SILENCE), 0
    except Exception as error:  # noqa: BLE001  # whatever the server does, the export goes on
        LOGGER.debug("The limit of the account was not asked: %r", error)
        return _Answer.SILENCE, 0
    return _Answer.GRANTED, clock() - asked
