"""Running the flow from a terminal: with a Prefect server or without one, and whatever becomes of it meanwhile."""

import asyncio
import logging
from typing import Any, Final

from flows.export_crawl import deliveries, export_crawl
from flows.prefect_server import prefect_server
from flows.terminal import Terminal
from tasks.artifacts.progress import watching
from tasks.exports.errors import Interrupted
from tasks.exports.outcome import Outcome

LOGGER = logging.getLogger("botify_export")

# How long Prefect may take to record the end of a run that has delivered.
RECORDING: Final = 20.0


def run_export(parameters: dict[str, Any]) -> Outcome:
    """Run the flow with these parameters and return what it delivered. Raises ExportError."""
    with Terminal() as terminal, prefect_server() as server, watching(terminal.progress):
        if server is None:
            LOGGER.info("No Prefect server is running: starting a temporary one, which may take half a minute.")
        try:
            return asyncio.run(_run(parameters))
        except KeyboardInterrupt:
            raise Interrupted("Interrupted. A job that was submitted goes on at Botify.") from None


async def _run(parameters: dict[str, Any]) -> Outcome:
    with deliveries() as delivered:
        run: asyncio.Future[Outcome] = asyncio.ensure_future(export_crawl(**parameters))
        while not run.done():
            await asyncio.wait([run], timeout=RECORDING if delivered else 0.5)
            if delivered and not run.done():
                LOGGER.warning("The export is published; the Prefect server does not take down that the run ended.")
                run.cancel()
                return delivered[0]
        if delivered:
            return delivered[0]
        return run.result()
