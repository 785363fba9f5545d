"""Around every delivery: nobody else is at the same export, on this machine or on any that shares the data folder.

On one machine a lock of the kernel sees to it. Across machines it is a concurrency limit of the Prefect server with one
slot for each export, held under a lease: the server frees the slot when the lease was not renewed for a minute.
A lease is a promise about time, so a process that was suspended in its middle may wake up after it: its ledger's writes
are refused where the store can, and `Hold.check` keeps it from submitting. What is left is a process that stops for
longer than the lease between that check and the sending.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from tasks.artifacts.progress import Step, show
from tasks.exports.errors import HoldLost, PrefectUnavailable
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest
from tasks.ledger.lock import Hold, export_lock

LOGGER = logging.getLogger("botify_export")

LEASE: Final = 60.0  # the least that the server admits
RENEW_EVERY: Final = 15.0
ASK_EVERY: Final = 2.0
ANSWER: Final = 10.0
# A slot without a lease was seen after a restart of a server that keeps its leases in memory. A lease is there some
# milliseconds after its slot, and a slot goes within seconds of its lease: no slot is without one for so long.
LEAKED_AFTER: Final = 120.0


@asynccontextmanager
async def alone(request: ExportRequest | SiteRequest, places: Places) -> AsyncIterator[Hold]:
    """Be the only one at this export; whoever comes second waits, says for whom, and finds the work done.

    Raises HoldLost when the Prefect server no longer vouches for it, PrefectUnavailable when it is not to be had.
    """

    def waiting(holder: str) -> None:
        LOGGER.warning("This export is being made by %s: waiting for it.", holder)
        show(Step.COLUMNS, f"Waiting for {holder}, which is making this export")

    async with _lock(request, places, waiting) as hold:
        yield hold


def _lock(
    request: ExportRequest | SiteRequest, places: Places, waiting: Callable[[str], None]
) -> AbstractAsyncContextManager[Hold]:
    if places.is_shared:
        return leased(f"botify-export-{request.fingerprint[:32]}", waiting)
    holder = f"process {os.getpid()} on {socket.gethostname()}, run {flow_run.name}"
    return export_lock(places.lock(request), holder, waiting)


@asynccontextmanager
async def leased(name: str, on_wait: Callable[[str], None]) -> AsyncIterator[Hold]:
    """Hold the one slot of the limit with this name, having told `on_wait` if it is another's."""
    if not PREFECT_API_URL.value():
        raise PrefectUnavailable(
            "A data folder that machines share needs the Prefect server that they share.",
            next_step="Set PREFECT_API_URL to that server; alone, start one with `prefect server start`.",
        )
    async with get_client() as client:
        lease = await _Waiter(client, name, on_wait).lease()
        renewing = asyncio.create_task(lease.keep_renewed())
        try:
            async with lease.term:
                yield lease
        except TimeoutError:
            if not lease.term.expired():
                raise
            raise HoldLost("The Prefect server did not renew this run's lock of its export in time.") from None
        finally:
            renewing.cancel()
            await lease.end()


class _Lease(Hold):
    """A slot for as long as it is renewed. `term` ends when the server could have given it to another.

    Prefect's own `concurrency` would take two threads for each.
    """

    def __init__(self, client: PrefectClient, tag: str, lease_id: UUID, asked: float) -> None:
        self._client = client
        self._tag = tag
        self._id = lease_id
        self.term = asyncio.timeout_at(asked + LEASE)

    def check(self) -> None:
        ends = self.term.when()
        if ends is None or asyncio.get_running_loop().time() >= ends:
            raise HoldLost("This run was stopped for longer than its lock of the export holds.")

    async def keep_renewed(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(RENEW_EVERY)
            asked = clock()
            try:
                async with asyncio.timeout(ANSWER):
                    await self._client.renew_concurrency_lease(self._id, lease_duration=LEASE)
            except Exception as error:  # noqa: BLE001  # until the term ends, the next attempt may go well
                LOGGER.debug("The lock of the export is not renewed: %r", error)
            else:
                self.term.reschedule(asked + LEASE)

    async def end(self) -> None:
        """Give the slot back; where that fails, the server takes it when the lease is over.

        While it is certainly ours, nobody else has any part in the limit: it is deleted, or there would be one for
        every export that was ever made.
        """
        ends = self.term.when()
        is_ours = ends is not None and asyncio.get_running_loop().time() + ANSWER < ends
        with suppress(Exception):
            async with asyncio.timeout(ANSWER):
                if is_ours:
                    await self._client.delete_concurrency_limit_by_tag(self._tag)
                else:
                    await self._client.release_concurrency_slots_with_lease(self._id)


class _Waiter:
    """Asks for the slot until it is free. If this is stopped just when it is granted, the lease ends by itself."""

    def __init__(self, client: PrefectClient, name: str, on_wait: Callable[[str], None]) -> None:
        self._client = client
        self._tag = name
        self._name = f"tag:{name}"  # of such limits alone the server shows who holds their leases
        self._on_wait = on_wait
        self._holder = ConcurrencyLeaseHolder(type="task_run", id=UUID(flow_run.id) if flow_run.id else uuid4())
        self._without_lease_since: float | None = None

    async def lease(self) -> _Lease:
        told = False
        while (lease := await self._ask()) is None:
            holder = await self._who_holds()
            if not told:
                self._on_wait(holder or "another run")
                told = True
            await self._free_if_leaked(is_held=holder is not None)
            await asyncio.sleep(ASK_EVERY)
        return lease

    async def _ask(self) -> _Lease | None:
        asked = asyncio.get_running_loop().time()
        try:
            answer = await self._client.increment_concurrency_slots_with_lease(
                names=[self._name], slots=1, mode="concurrency", lease_duration=LEASE, holder=self._holder
            )
        except httpx.HTTPStatusError as refusal:
            if refusal.response.status_code == httpx.codes.LOCKED:
                return None
            raise PrefectUnavailable(f"The Prefect server gives no lock: {refusal}.") from None
        except httpx.RequestError as error:
            raise PrefectUnavailable(f"The Prefect server gives no lock: {type(error).__name__} {error}.") from None
        given = ConcurrencyLimitWithLeaseResponse.model_validate(answer.json())
        if given.limits:
            return _Lease(self._client, self._tag, given.lease_id, asked)
        with suppress(ObjectAlreadyExists):
            await self._client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=self._name, limit=1))
        return await self._ask()

    async def _who_holds(self) -> str | None:
        """Return the run that has a lease; None when nobody has."""
        try:
            holders = (await self._client.read_concurrency_limit_by_tag(self._tag)).active_slots
            return f"run {(await self._client.read_flow_run(holders[0])).name}" if holders else None
        except (ObjectNotFound, httpx.HTTPError):
            return "another run"

    async def _free_if_leaked(self, *, is_held: bool) -> None:
        now = asyncio.get_running_loop().time()
        self._without_lease_since = None if is_held else self._without_lease_since or now
        if self._without_lease_since and now - self._without_lease_since > LEAKED_AFTER:
            LOGGER.warning("The lock of this export is taken, but nobody has it any more: it is freed.")
            with suppress(httpx.HTTPError, ObjectNotFound):
                await self._client.delete_concurrency_limit_by_tag(self._tag)
            self._without_lease_since = None
