"""Waiting for runs of a deployment, which a worker makes elsewhere: one request asks for all of them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from tasks.artifacts.guarded import guarded
from tasks.exports.errors import NotFinished, SettingRefused

LOGGER = logging.getLogger("botify_export")

# Seconds between two looks: the first, and the longest while nothing changes.
FIRST: Final = 1.0
LONGEST: Final = 10.0
# The server answers with no more runs than this at once.
PAGE: Final = 200
# The states in which an automation, or the next `set-up`, begins a run again (deployments/automations.yaml).
STOPPED: Final = ("Crashed", "NotFinished")
BEGINS_AGAIN_WITHIN: Final = 180.0


class RunWatch:
    """The runs that are waited for; whoever waits is told of each change.

    With `go_on`, a run that stopped is begun again by others: it has ended only when that does not happen in time.
    """

    def __init__(self, client: PrefectClient, *, go_on: bool) -> None:
        self._client = client
        self._go_on = go_on
        self._waiting: dict[UUID, _Waiting] = {}
        self._pause = FIRST

    async def until_ended(self, run: FlowRun, changed: Callable[[FlowRun], None]) -> FlowRun:
        """Return the run in its last state; cancelled, cancel the run. Raises NotFinished if it was deleted."""
        waiting = self._waiting[run.id] = _Waiting(changed, go_on=self._go_on)
        self._pause = FIRST
        try:
            return await waiting.ended
        except asyncio.CancelledError:
            await guarded(self._cancel(run.id), "The cancellation")
            raise
        finally:
            del self._waiting[run.id]

    async def _cancel(self, run: UUID) -> None:
        await self._client.set_flow_run_state(run, Cancelling(message="The portfolio was cancelled."))

    async def keep_looking(self) -> None:
        """Look at all runs, at first often, then less while nothing changes."""
        while True:
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 1.5, LONGEST)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001  # a server that is away for a while is asked again
                LOGGER.debug("The runs were not seen: %r", error)

    async def _look(self) -> None:
        asked = list(self._waiting)
        pages = [await self._read(asked[begin : begin + PAGE]) for begin in range(0, len(asked), PAGE)]
        seen = {run.id: run for page in pages for run in page}
        for run_id in asked:
            if (waiting := self._waiting.get(run_id)) and waiting.has_changed(seen.get(run_id)):
                self._pause = FIRST

    async def _read(self, runs: Sequence[UUID]) -> list[FlowRun]:
        only = FlowRunFilter(id=FlowRunFilterId(any_=list(runs)))
        return await self._client.read_flow_runs(flow_run_filter=only, limit=PAGE)


class _Waiting:
    """Somebody who waits for a run, and the state that they know of."""

    def __init__(self, changed: Callable[[FlowRun], None], *, go_on: bool) -> None:
        self._clock = asyncio.get_running_loop().time
        self.ended: asyncio.Future[FlowRun] = asyncio.get_running_loop().create_future()
        self._changed = changed
        self._go_on = go_on
        self._known: UUID | None = None
        self._since = 0.0

    def has_changed(self, run: FlowRun | None) -> bool:
        """Take in what was seen, and return whether it is news."""
        if self.ended.done():
            return False
        if run is None:
            self.ended.set_exception(NotFinished("The run was deleted from the Prefect server."))
            return True
        if run.state is None:
            return False
        if is_news := run.state_id != self._known:
            self._known, self._since = run.state_id, self._clock()
            self._changed(run)
        if run.state.is_final() and not self._may_begin_again(run.state):
            self.ended.set_result(run)
        return is_news

    def _may_begin_again(self, state: State[Any]) -> bool:
        return self._go_on and state.name in STOPPED and self._clock() - self._since < BEGINS_AGAIN_WITHIN


@asynccontextmanager
async def run_watch(deployment: str, *, go_on: bool) -> AsyncIterator[RunWatch]:
    """Watch runs of the deployment until the end of the block. Raises SettingRefused if there is none of this name."""
    async with get_client() as client:
        try:
            await client.read_deployment_by_name(deployment)
        except (ObjectNotFound, ValueError):
            raise SettingRefused(
                f"This Prefect server has no deployment {deployment!r}.",
                next_step="Deploy it, or name another; `prefect deployment ls` lists them.",
            ) from None
        watch = RunWatch(client, go_on=go_on)
        looking = asyncio.create_task(watch.keep_looking())
        try:
            yield watch
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
