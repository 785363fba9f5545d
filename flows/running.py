"""Running a flow from a terminal: with a Prefect server or without one, and whatever becomes of it meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, Generic, TypeVar

from flows.prefect_server import prefect_server
from flows.run_context import deliveries
from flows.terminal import EVERYTHING, Terminal
from tasks.artifacts.progress import watching
from tasks.exports.errors import ExportError, Interrupted

LOGGER = logging.getLogger("botify_export")

# How long Prefect may take to record the end of a run that has delivered.
RECORDING: Final = 10.0

Result = TypeVar("Result")


def run_flow(flow: Callable[[], Awaitable[Result]], log: str = EVERYTHING) -> Result:
    """Run the flow and return what it delivered; the terminal shows this part of its log. Raises ExportError."""
    (result,) = run_flows([flow], log)
    if isinstance(result, ExportError):
        raise result
    return result


def run_flows(flows: Sequence[Callable[[], Awaitable[Result]]], log: str = EVERYTHING) -> list[Result | ExportError]:
    """Run the flows one after another; return what each delivered, or why it did not. Raises Interrupted."""
    if not flows:
        return []
    with Terminal(log) as terminal, prefect_server() as server, watching(terminal.progress):
        if server is None:
            terminal.say("No Prefect server is running: starting a temporary one, which may take half a minute.")
        return [_Run(flow).result_or_error() for flow in flows]


class _Run(Generic[Result]):
    """A run of the flow in a thread of its own.

    Signals reach the main thread only: there they end the run in order, while Prefect's own handler, which it
    installs where it can, would tear the event loop apart.
    """

    def __init__(self, flow: Callable[[], Awaitable[Result]]) -> None:
        self._flow = flow
        self._is_interrupted = False
        self._cancel: Callable[[], object] = lambda: None

    def result_or_error(self) -> Result | ExportError:
        try:
            return self._result()
        except Interrupted:
            raise
        except ExportError as error:
            return error

    def _result(self) -> Result:
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(copy_context().run, asyncio.run, self._export())
            try:
                return running.result()
            except KeyboardInterrupt:
                self._is_interrupted = True
                self._cancel()
                raise Interrupted("Interrupted. A job that was submitted goes on at Botify, and stays known.") from None

    async def _export(self) -> Result:
        with deliveries() as delivered:
            flow = asyncio.ensure_future(self._flow())
            self._cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, flow.cancel)
            if self._is_interrupted:
                flow.cancel()
            while not (flow.done() or delivered):
                await asyncio.wait([flow], timeout=0.2)
            await asyncio.wait([flow], timeout=RECORDING)
            if not flow.done():
                LOGGER.warning("The run has ended, but the Prefect server does not take that down.")
                flow.cancel()
            elif delivered and not flow.cancelled():
                flow.exception()  # asked for, or asyncio complains: many exports deliver what became of each
            result: Result | ExportError = delivered[0] if delivered else flow.result()
            if isinstance(result, ExportError):
                raise result
            return result
