"""Reporting that may fail: never does it stall or break what it reports on."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

Reported = TypeVar("Reported")

LOGGER = logging.getLogger("botify_export")

# A frozen server was seen to hold an update for 21 s, a dead one for 77 s.
PATIENCE: Final = 5.0


async def guarded(report: Awaitable[Reported], what: str, patience: float | None = None) -> Reported | None:
    """Await a report to the Prefect server; None when it failed or took too long."""
    try:
        async with asyncio.timeout(PATIENCE if patience is None else patience):
            return await report
    except Exception as error:  # noqa: BLE001  # whatever the server does, the export goes on
        LOGGER.debug("%s is not recorded: %r", what, error)
        return None
