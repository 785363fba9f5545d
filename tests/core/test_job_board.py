"""Waiting for several jobs of a project at the price of one (botify-api.md §5.3)."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx
import pytest

from deployments.sandbox import API_URL, TOKEN, Route, Sandbox
from tasks.botify.client import BotifyClient
from tasks.botify.jobs import Created, Job, create_job
from tasks.botify.waiting import wait_for_job
from tasks.exports.errors import JobStillRunning
from tasks.exports.settings import Settings
from tests.core.conversation import BOOST, client_of, request, requests_to, sandbox

pytestmark = pytest.mark.anyio

TEN_MINUTES = 600


async def jobs_of(client: BotifyClient, number: int) -> list[str]:
    """Create so many jobs, and return their ids."""
    made = [await create_job(client, request().payload(f"tag {each}")) for each in range(number)]
    assert all(isinstance(outcome, Created) for outcome in made)
    return [outcome.job.job_id for outcome in made if isinstance(outcome, Created)]


async def waited(botify: Sandbox, number: int, *, together: bool = True, **settings: Any) -> list[Job | BaseException]:
    """Create so many jobs and wait for all of them, on one board or each alone."""
    async with client_of(botify, **settings) as client:
        jobs = await jobs_of(client, number)
        projects = [BOOST.project if together else f"another-{each}" for each in jobs]
        waits = [wait_for_job(client, *of, lambda look: None) for of in zip(projects, jobs, strict=True)]
        return await asyncio.gather(*waits, return_exceptions=True)


def are_done(ended: list[Job | BaseException]) -> bool:
    return all(isinstance(end, Job) and end.is_done for end in ended)


def looks_of(botify: Sandbox) -> int:
    return requests_to(botify, Route.READ_JOB) + requests_to(botify, Route.LIST_JOBS)


async def looks(number: int, *, together: bool = True) -> int:
    """What it costs, in requests, to wait ten minutes for so many jobs."""
    botify = sandbox(job_seconds=TEN_MINUTES)
    assert are_done(await waited(botify, number, together=together))
    return looks_of(botify)


@pytest.mark.parametrize("number", [2, 3, 10])
async def test_several_waits_cost_little_more_than_one(number: int) -> None:
    """The list for all, and now and then a look at each alone."""
    one, separate, together = await looks(1), await looks(number, together=False), await looks(number)
    assert together <= 1.2 * one + 4 * number
    assert together < 0.9 * separate


async def test_one_job_alone_never_asks_the_list() -> None:
    """Its own answer is smaller, and always fresh."""
    botify = sandbox(job_seconds=TEN_MINUTES)
    assert are_done(await waited(botify, 1))
    assert requests_to(botify, Route.LIST_JOBS) == 0


async def test_the_last_one_waits_alone() -> None:
    """Whoever is done is waited for no more."""
    botify = sandbox("create job 1: never finish", job_seconds=100)
    late, *others = await waited(botify, 3, job_timeout=1000)
    assert isinstance(late, JobStillRunning)
    assert are_done(others)
    lists = [seen.loop_at for seen in botify.requests if seen.route is Route.LIST_JOBS]
    created = next(seen.loop_at for seen in botify.requests if seen.route is Route.CREATE_JOB)
    assert lists
    assert max(lists) < created + 200


@pytest.mark.parametrize("listed_after", [1, 2])
async def test_jobs_that_are_listed_late_are_then_seen_together(listed_after: int) -> None:
    """Until then each is looked at alone."""
    botify = sandbox(job_seconds=TEN_MINUTES, listed_after=listed_after)
    assert are_done(await waited(botify, 4))
    assert requests_to(botify, Route.LIST_JOBS) > 10
    assert looks_of(botify) < await looks(4, together=False)


@pytest.mark.parametrize("behaviour", [{"listed": False}, {"listed_after": 50}])
async def test_a_list_that_does_not_show_ours_is_not_asked_for_ever(behaviour: dict[str, Any]) -> None:
    """Three misses of a job, of which the waits have most in common; every wait ends by looking alone."""
    botify = sandbox(job_seconds=TEN_MINUTES, **behaviour)
    assert are_done(await waited(botify, 4))
    assert 3 <= requests_to(botify, Route.LIST_JOBS) <= 6


async def test_a_list_that_is_refused_is_not_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """A token may be allowed to make jobs and not to list them: said once, and each is looked at alone."""
    botify = sandbox("list jobs 1+: answer 403 code 1002", job_seconds=TEN_MINUTES)
    async with client_of(botify) as client:
        first, second, later = await jobs_of(client, 3)

        async def begin_later() -> Job:
            await asyncio.sleep(60)
            return await wait_for_job(client, BOOST.project, later, lambda look: None)

        waits = [wait_for_job(client, BOOST.project, each, lambda look: None) for each in (first, second)]
        assert are_done([*await asyncio.gather(*waits, begin_later())])
    assert requests_to(botify, Route.LIST_JOBS) == 1
    assert sum("list of jobs is not to be had" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("answer", ["answer 502 html", "answer 429", "drop", "answer 200 garbage"])
async def test_a_list_that_fails_now_and_then_is_asked_again(answer: str) -> None:
    """Meanwhile each is looked at alone."""
    faults = [f"list jobs {number}: {answer}" for number in (1, 3, 4, 6, 9)]
    botify = sandbox(*faults, job_seconds=TEN_MINUTES)
    assert are_done(await waited(botify, 3))
    assert requests_to(botify, Route.LIST_JOBS) > 10


async def test_a_list_that_never_answers_delays_nothing() -> None:
    """A look that finds no list is a look at the job itself."""
    botify = sandbox("list jobs 1+: answer 502 html", job_seconds=20)
    assert are_done(await waited(botify, 3))
    assert max(seen.loop_at for seen in botify.requests) < botify.requests[0].loop_at + 60


@pytest.mark.parametrize("order", ["newest", "oldest", "shuffled"])
async def test_ours_are_found_among_hundreds_of_others_or_looked_at_alone(order: str) -> None:
    """The order of the list is not documented, and no more than three pages of it are read."""
    botify = sandbox(job_seconds=TEN_MINUTES, foreign_jobs=450, job_order=order)
    assert are_done(await waited(botify, 4))
    pages = Counter(seen.query["page"] for seen in botify.requests if seen.route is Route.LIST_JOBS)
    assert set(pages) <= {"1", "2", "3"}
    if order == "oldest":
        assert pages["1"] <= 6


async def test_ours_on_the_third_page_are_seen_together() -> None:
    """Two hundred others before them."""
    botify = sandbox(job_seconds=TEN_MINUTES, foreign_jobs=205, job_order="oldest")
    assert are_done(await waited(botify, 4))
    assert requests_to(botify, Route.READ_JOB) < 20


@pytest.mark.parametrize("list_payload", [True, False])
async def test_a_job_that_the_list_shows_as_failed_has_failed(list_payload: bool) -> None:
    """With Botify's reason, and without another look."""
    botify = sandbox("create job 2: fail error disk full", job_seconds=9, list_payload=list_payload)
    one, failed, other = await waited(botify, 3)
    assert are_done([one, other])
    assert isinstance(failed, Job)
    assert failed.has_failed
    assert "disk full" in failed.reason
    assert not [seen for seen in botify.requests if seen.path.endswith("/jobs/1002")]


async def test_a_list_that_stays_behind_the_truth_delays_no_wait_for_ever() -> None:
    """How fresh it is is not documented: each tenth look is at the job alone."""
    clock = asyncio.get_running_loop().time
    done_at = clock() + 60

    def answer(asked: httpx.Request) -> httpx.Response:
        if asked.url.path.endswith("/jobs"):
            stale = [{"job_id": number, "job_status": "CREATED"} for number in (1, 2)]
            return httpx.Response(200, json={"results": stale, "next": None})
        return httpx.Response(
            200, json={"job_id": int(asked.url.path[-1]), "job_status": "DONE" if clock() > done_at else "CREATED"}
        )

    settings = Settings(api_token=TOKEN, api_url=API_URL)
    async with BotifyClient(settings, transport=httpx.MockTransport(answer)) as client:
        waits = [wait_for_job(client, BOOST.project, each, lambda look: None) for each in ("1", "2")]
        assert are_done([*await asyncio.gather(*waits)])


async def test_the_list_is_never_read_twice_at_the_same_moment() -> None:
    """Who looks while another reads takes what that one finds."""
    botify = sandbox(job_seconds=30)
    assert are_done(await waited(botify, 10, requests_per_second=1000))
    lists = [seen.loop_at for seen in botify.requests if seen.route is Route.LIST_JOBS]
    assert len(lists) == len(set(lists))


@pytest.mark.parametrize("projects", [1, 40])
async def test_the_more_jobs_wait_the_more_rarely_each_is_looked_at(projects: int) -> None:
    """Half of the rate is left for submitting and fetching; and each is noticed within two rounds."""
    botify = sandbox(job_seconds=TEN_MINUTES)
    async with client_of(botify) as client:
        jobs = await jobs_of(client, 200)
        before, began = looks_of(botify), asyncio.get_running_loop().time()
        waits = [
            wait_for_job(client, f"project-{number % projects}", each, lambda look: None)
            for number, each in enumerate(jobs)
        ]
        assert are_done([*await asyncio.gather(*waits)])
        took = asyncio.get_running_loop().time() - began
    # The first look at each cannot be put off by what it would show.
    assert (looks_of(botify) - before - len(jobs)) / took <= 2.5
    assert took <= TEN_MINUTES + 2 * 200 / 2.5


async def test_hundreds_that_begin_one_after_another_are_seen_within_seconds() -> None:
    """As after a restart: who comes when a list was just read is not looked at alone, which takes a minute here."""
    async with client_of(sandbox(job_seconds=TEN_MINUTES)) as client:
        jobs = await jobs_of(client, 200)
        seen: set[str] = set()

        async def begin(number: int, job_id: str) -> None:
            await asyncio.sleep(number / 100)
            await wait_for_job(client, BOOST.project, job_id, lambda look: seen.add(job_id))

        async with asyncio.TaskGroup() as waits:
            for number, job_id in enumerate(jobs):
                waits.create_task(begin(number, job_id))
            await asyncio.sleep(10)
            assert seen == set(jobs)


async def test_looks_at_jobs_alone_never_come_all_at_once() -> None:
    """Jobs that began together would else be looked at alone together, and a list be read only when that is over."""
    botify = sandbox("create job 1+: never finish", requests_per_second=5)
    async with client_of(botify, job_timeout=3600) as client:
        jobs = await jobs_of(client, 200)
        began = asyncio.get_running_loop().time()
        waits = [wait_for_job(client, BOOST.project, each, lambda look: None) for each in jobs]
        await asyncio.gather(*waits, return_exceptions=True)
    lists = [seen.loop_at for seen in botify.requests if seen.route is Route.LIST_JOBS and seen.loop_at >= began]
    assert max(after - before for before, after in pairwise(lists)) < 45
