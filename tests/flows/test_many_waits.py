"""Hundreds of exports may wait in one process: each costs it a task of the event loop, and no more."""

import asyncio
import threading
from pathlib import Path

import pytest
from prefect import flow

from deployments.sandbox import Route
from tasks.exports.places import Places
from tasks.poll_job import poll_job
from tests.core.conversation import request
from tests.flows.processes import wait_until
from tests.served import Serve, Served

pytestmark = pytest.mark.anyio

WAITS = 20


def sockets() -> int:
    """How many this process has open: two for each connection to the sandbox, which is in it."""
    return sum("socket" in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


def are_looked_at(served: Served) -> bool:
    return sum(seen.route is Route.READ_JOB for seen in served.sandbox.requests) >= WAITS


async def test_waits_share_their_connections_and_have_no_thread_each(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a process may have 1,024 files open, as is usual, a thousand waits would otherwise have used them up."""
    served = serve("read job 1+: answer 200 garbage")
    monkeypatch.setenv("BOTIFY_REQUESTS_PER_SECOND", "10")
    monkeypatch.setenv("BOTIFY_POLL_SECONDS", "60")
    monkeypatch.setenv("BOTIFY_POLL_MAX_SECONDS", "60")

    @flow
    async def wait_for_all() -> tuple[int, int]:
        before = sockets(), threading.active_count()
        asked = [request(project=f"project-{number}") for number in range(WAITS)]
        waits = [asyncio.create_task(poll_job(each, "1", Places(tmp_path))) for each in asked]
        await asyncio.to_thread(wait_until, lambda: are_looked_at(served))
        more = sockets() - before[0], threading.active_count() - before[1]
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return more

    more_sockets, more_threads = await wait_for_all()
    assert more_sockets < 1.5 * WAITS
    assert more_threads < WAITS / 2
