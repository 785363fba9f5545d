"""What workers on several machines share through the Prefect server: the account's rate, and the lock of an export."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from upath import UPath

from deployments.sandbox import Route
from flows.export_crawl import export_crawl
from tasks import be_alone, share_rate_limit
from tasks.be_alone import leased
from tasks.botify.account_limit import NAME, account_limit
from tasks.botify.client import BotifyClient
from tasks.botify.profile import read_username
from tasks.botify.rate_limit import RateLimit
from tasks.exports.errors import HoldLost, PrefectUnavailable
from tasks.exports.settings import Settings
from tasks.ledger.ledger import Ledger
from tasks.ledger.submission import Submission
from tasks.share_rate_limit import rate_limit_shared
from tests.core.conversation import request
from tests.served import BOOST_URL, Serve

pytestmark = pytest.mark.anyio

HOLD = """
import asyncio, sys
from tasks.be_alone import leased

async def hold():
    async with leased(sys.argv[1], print):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""

ASK = """
import asyncio, sys, time
from tasks.botify.rate_limit import RateLimit
from tasks.share_rate_limit import rate_limit_shared

async def ask():
    limit = RateLimit(5)
    async def one():
        async with limit.place():
            print(time.time(), flush=True)
    with rate_limit_shared():
        await asyncio.gather(*(one() for _ in range(6)))

asyncio.run(ask())
"""


@pytest.fixture
def lock() -> str:
    """The name of a lock that no other test has."""
    return f"botify-export-{uuid4().hex}"


@pytest.fixture
async def client() -> AsyncIterator[PrefectClient]:
    async with get_client() as client:
        yield client


@pytest.fixture
async def shared_limit(client: PrefectClient) -> AsyncIterator[None]:
    """The account's limit for five requests a second, as `set-up` makes it."""
    made = account_limit(5)
    await client.create_global_concurrency_limit(
        GlobalConcurrencyLimitCreate(name=made.name, limit=made.limit, slot_decay_per_second=made.slot_decay_per_second)
    )
    yield
    await client.delete_global_concurrency_limit_by_name(NAME)


def process(prefect_api: str, program: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *arguments]
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def most_in_a_second(times: list[float]) -> int:
    return max(sum(begin <= other < begin + 1 for other in times) for begin in times)


@pytest.mark.usefixtures("shared_limit")
async def test_all_processes_together_keep_to_the_rate(prefect_api: str) -> None:
    """Three of them, each of which would take five a second alone."""
    asking = [process(prefect_api, ASK) for _ in range(3)]
    times = [float(line) for each in asking for line in each.communicate(timeout=120)[0].split()]
    assert len(times) == 18
    assert most_in_a_second(times) <= 5


@pytest.mark.usefixtures("shared_limit")
async def test_every_request_of_a_run_waits_for_the_account(serve: Serve, client: PrefectClient) -> None:
    """From the choice of the analysis to the link of the file: as the sandbox sees it."""
    served = serve()
    await export_crawl(BOOST_URL, max_rows=1000, output_dir="data")
    await client.read_global_concurrency_limit_by_name(NAME)
    times = [seen.at for seen in served.sandbox.requests if seen.route is not Route.DOWNLOAD]
    assert len(times) > 6
    assert most_in_a_second(times) <= 5


async def test_without_a_shared_limit_a_process_keeps_to_its_own(serve: Serve) -> None:
    """Nobody set the server up: it is asked once, and then for half a minute no more."""
    serve()
    began = time.monotonic()
    with rate_limit_shared():
        async with BotifyClient(Settings.load()) as botify:
            for _ in range(20):
                await read_username(botify)
    assert time.monotonic() - began < share_rate_limit.LOOK_AGAIN


@pytest.mark.usefixtures("shared_limit")
async def test_a_server_that_is_far_away_does_not_stop_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its grants comes late, and may be used with others in one second: some are given up, but not all."""
    monkeypatch.setattr(share_rate_limit, "STALE", 0.0)
    limit = RateLimit(5)
    with rate_limit_shared():
        async with asyncio.timeout(30):
            for _ in range(3):
                async with limit.place():
                    pass


async def test_a_server_that_is_gone_does_not_stop_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment's patience the process keeps to its own limit."""
    monkeypatch.setattr(share_rate_limit, "PATIENCE", 0.0)
    monkeypatch.setattr(share_rate_limit, "ANSWER", 0.2)
    limit = RateLimit(5)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), rate_limit_shared():
        async with asyncio.timeout(30):
            for _ in range(3):
                async with limit.place():
                    pass


class Told:
    """Whom somebody waits for, and the moment when that was said."""

    def __init__(self) -> None:
        self.whom: list[str] = []
        self.at_last = asyncio.Event()

    def __call__(self, whom: str) -> None:
        self.whom.append(whom)
        self.at_last.set()


async def hold_once(lock: str, told: Callable[[str], None]) -> None:
    async with leased(lock, told) as hold:
        hold.check()


async def test_the_second_waits_until_the_first_is_done(client: PrefectClient, lock: str) -> None:
    """Told once that somebody holds it; and nothing is left on the server."""
    told = Told()
    async with leased(lock, told):
        waiting = asyncio.create_task(hold_once(lock, told))
        await told.at_last.wait()
        assert not waiting.done()
    await waiting
    assert told.whom == ["another run"]
    with pytest.raises(ObjectNotFound):
        await client.read_global_concurrency_limit_by_name(f"tag:{lock}")


async def test_of_two_processes_one_holds(prefect_api: str, lock: str) -> None:
    """The other comes in when the first lets go."""
    with process(prefect_api, HOLD, lock) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told = Told()
        waiting = asyncio.create_task(hold_once(lock, told))
        await told.at_last.wait()
        assert not waiting.done()
        holder.send_signal(signal.SIGINT)
        await waiting


async def test_a_lock_that_nobody_has_any_more_is_freed(
    client: PrefectClient, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """A server that keeps its leases in memory was restarted: the slot is taken, and there is no lease."""
    await client.create_global_concurrency_limit(
        GlobalConcurrencyLimitCreate(name=f"tag:{lock}", limit=1, active_slots=1)
    )
    monkeypatch.setattr(be_alone, "LEAKED_AFTER", 0.5)
    monkeypatch.setattr(be_alone, "ASK_EVERY", 0.2)
    async with asyncio.timeout(20):
        await hold_once(lock, Told())


async def test_a_lock_that_is_not_renewed_stops_what_it_guards(monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
    """Before the server could give it to another."""
    monkeypatch.setattr(be_alone, "RENEW_EVERY", 600)

    async def work() -> None:
        async with leased(lock, print) as hold:
            hold.term.reschedule(asyncio.get_running_loop().time() + 0.2)  # type: ignore[attr-defined]
            await asyncio.sleep(60)

    with pytest.raises(HoldLost, match="did not renew"):
        await work()


async def test_a_run_that_was_suspended_for_too_long_submits_nothing(serve: Serve, lock: str) -> None:
    """It wakes up right before the request, which must not go out: another may have submitted it meanwhile."""
    served = serve()
    asked = request(api=Settings.load().api_url)
    async with leased(lock, print) as hold, BotifyClient(Settings.load()) as botify:
        hold.term.reschedule(None)  # type: ignore[attr-defined]
        with pytest.raises(HoldLost, match="was stopped"):
            await Submission(botify, Ledger.in_folder(UPath("data")), asked, hold).job()
    assert not served.sandbox.jobs


async def test_machines_that_share_no_server_share_no_data_folder(lock: str) -> None:
    """A temporary server is a machine's own: its lock would keep nobody away."""
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(PrefectUnavailable, match="that they share"):
        await hold_once(lock, print)
