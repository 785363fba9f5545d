"""One process after another at one export, in virtual time and without sockets; each may die at any boundary."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from deployments.sandbox import API_URL, TOKEN, Sandbox
from tasks.botify.client import BotifyClient
from tasks.botify.waiting import failure_of, wait_for_job
from tasks.delivery.downloading import Arrival, Downloader
from tasks.delivery.publishing import find_published, publish, wanted_and_published
from tasks.exports.errors import FileGone
from tasks.exports.outcome import JobUsed, Outcome
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.wanted import WantedFiles
from tasks.ledger.ledger import Ledger
from tasks.ledger.lock import export_lock
from tasks.ledger.record import State
from tasks.ledger.submission import Submission
from tests.sandbox.virtual_time import VirtualTimeLoop

Moment = Literal["before", "after"]
Boundary = Literal["request", "sync", "rename", "unlink"]


class Killed(BaseException):
    """The process is dead: nothing of ours catches this."""


@dataclass(frozen=True)
class Kill:
    """Death before, or after, the `number`-th boundary of a kind."""

    moment: Moment
    boundary: Boundary
    number: int


@dataclass
class Process:
    """One run of the command, without Prefect; `look` is called at every boundary while it lives.

    Once killed it can reach no further boundary, whatever a `finally` still tries. What differs from SIGKILL: open
    files are closed, so what was written but not synced does arrive. Real processes die in tests/kill.
    """

    botify: Sandbox
    data_dir: Path
    kill: Kill | None
    look: Callable[[], None]
    _reached: list[tuple[Moment, Boundary]] = field(default_factory=list)
    _is_dead: bool = False

    def run(self, request: ExportRequest, wanted: WantedFiles, *, refresh: bool) -> Outcome:
        """Raises Killed, or what the export raises."""
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner, pytest.MonkeyPatch.context() as system:
            network = _Network(self.botify.transport(), self.reach, runner.get_loop())
            system.setattr(httpx.HTTPTransport, "handle_request", lambda _, sent: network.handle_request(sent))
            system.setattr(os, "fsync", self._around("sync", lambda file: None))  # nobody loses power here
            system.setattr(os, "rename", self._around("rename", os.rename))
            system.setattr(os, "replace", self._around("rename", os.replace))
            system.setattr(os, "unlink", self._around("unlink", os.unlink))
            # A download pauses in a thread, where the loop's time does not reach.
            wait = threading.Event.wait
            system.setattr(threading.Event, "wait", lambda event, timeout=None: wait(event, timeout and 0))
            system.setattr(logging.getLogger("botify_export"), "disabled", True)
            return runner.run(self._deliver(request, wanted, network, refresh=refresh))

    def reach(self, moment: Moment, boundary: Boundary) -> None:
        self._reached.append((moment, boundary))
        if self.kill == Kill(moment, boundary, self._reached.count((moment, boundary))):
            self._is_dead = True
        if self._is_dead:
            raise Killed
        self.look()

    def _around(self, boundary: Boundary, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **others: Any) -> Any:
            self.reach("before", boundary)
            result = function(*arguments, **others)
            self.reach("after", boundary)
            return result

        return wrapped

    async def _deliver(
        self, request: ExportRequest, wanted: WantedFiles, network: "_Network", *, refresh: bool
    ) -> Outcome:
        """Take the steps of flows/delivery.py, each as its task in tasks/ does."""
        places, ledger = Places(self.data_dir), Ledger.in_folder(self.data_dir)
        async with export_lock(places.lock(request), "a test", lambda holder: None):
            if published := find_published(request, places, wanted, refresh=refresh):
                return published
            async with BotifyClient(Settings(api_token=TOKEN, api_url=API_URL), network) as client:
                record = await Submission(client, ledger, request).job(refresh=refresh)
                assert record.job_id is not None
                assert record.decision is not None
                job_id = record.job_id
                async with _gone_is_recorded(ledger, request, job_id):
                    await _poll(client, ledger, request, job_id)
                    missing = wanted_and_published(request, places, wanted)
                    downloader = Downloader(client, request, places.staging(request), missing)
                    download = await downloader.download(job_id, Arrival())
            ledger.advance(request, State.DOWNLOADED, job_id, rows=download.staged.rows)
            return publish(request, JobUsed(job_id=job_id, decision=record.decision), download, places)


async def _poll(client: BotifyClient, ledger: Ledger, request: ExportRequest, job_id: str) -> None:
    job = await wait_for_job(client, request.project, job_id, lambda look: None)
    if job.has_failed:
        failure = await failure_of(client, request, job)
        ledger.advance(request, State.FAILED, job_id, str(failure))
        raise failure
    ledger.advance(request, State.DONE, job_id)


@asynccontextmanager
async def _gone_is_recorded(ledger: Ledger, request: ExportRequest, job_id: str) -> AsyncIterator[None]:
    try:
        yield
    except FileGone as gone:
        ledger.advance(request, State.GONE, job_id, str(gone))
        raise


class _Network(httpx.AsyncBaseTransport):
    """The sandbox's two hosts; the thread of a download asks them through the loop of its run."""

    def __init__(
        self,
        hosts: httpx.AsyncBaseTransport,
        reach: Callable[[Moment, Boundary], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._hosts = hosts
        self._reach = reach
        self._loop = loop

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._reach("before", "request")
        response = await self._hosts.handle_async_request(request)
        self._reach("after", "request")
        return response

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._with_body(request), self._loop).result()

    async def _with_body(self, request: httpx.Request) -> httpx.Response:
        response = await self.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        body = _Body()
        try:
            async for chunk in response.stream:
                body.chunks.append(chunk)
        except httpx.TransportError as broken:
            body.broken = broken
        return httpx.Response(response.status_code, headers=response.headers, stream=body)


@dataclass
class _Body(httpx.SyncByteStream):
    """What came of a body, and how its connection ended."""

    chunks: list[bytes] = field(default_factory=list)
    broken: httpx.TransportError | None = None

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.broken:
            raise self.broken
