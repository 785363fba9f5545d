"""Reading from the API: what is tried again, what is refused, and how often anything is asked."""

import asyncio
from itertools import pairwise

import httpx
import pytest

from deployments.sandbox import API_URL, Behaviour, Route
from tasks.botify.analyses import list_analyses
from tasks.botify.client import BotifyClient, retry_after
from tasks.botify.counts import count_by_depth
from tasks.botify.fields import list_fields
from tasks.exports.errors import AccessDenied, BotifyUnavailable, NotFound, RequestRefused, TokenRefused
from tasks.exports.project_address import ProjectAddress
from tests.core.conversation import BOOST, NEWEST, client_of, requests_to, sandbox

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fault",
    [
        "answer 502 html",
        "answer 500 json",
        "answer 429",
        "answer 429 retry-after 7",
        "answer 200 garbage",
        "answer 200 html",
        "drop",
        "do, then drop",
        "stall",
        "cut at 10",
    ],
)
async def test_a_read_survives_what_passes(fault: str) -> None:
    """§7.3: network errors, 429, 5xx and unreadable answers say nothing yet; two in a row are waited out."""
    botify = sandbox(f"list analyses 1-2: {fault}")
    async with client_of(botify) as client:
        assert (await list_analyses(client, BOOST))[0].slug == NEWEST
    assert requests_to(botify, Route.LIST_ANALYSES) == 3


async def test_a_query_is_a_read_although_it_is_a_post() -> None:
    """§3: `POST .../query` changes nothing and costs nothing."""
    botify = sandbox("query 1: do, then drop")
    async with client_of(botify) as client:
        assert (await count_by_depth(client, BOOST, NEWEST)).total == 3811


async def test_a_read_gives_up_in_the_end_and_says_what_happened() -> None:
    """The last answer is in the sentence, without the page's tags, and nothing is lost."""
    botify = sandbox("list analyses 1+: answer 502 html")
    async with client_of(botify) as client:
        with pytest.raises(BotifyUnavailable) as failure:
            await list_analyses(client, BOOST)
    assert "The analyses of sandbox/www.boost.org: Botify answered 502, 502 Bad Gateway" in str(failure.value)
    assert "<html>" not in str(failure.value)
    assert failure.value.exit_code == 4


async def test_waits_grow_and_are_jittered_up_to_a_limit() -> None:
    """Many clients that failed together do not come back together."""
    botify = sandbox("list analyses 1+: answer 500 json")
    async with client_of(botify, poll_max_seconds=6) as client:
        with pytest.raises(BotifyUnavailable):
            await list_analyses(client, BOOST)
    moments = [seen.loop_at for seen in botify.requests]
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert all(wait > 0.3 for wait in waits)
    assert waits[-1] > 2 * waits[0]
    assert max(waits) <= 6.01


async def test_an_answer_that_names_a_time_is_obeyed() -> None:
    """§7.2 documents no Retry-After; a proxy may send one."""
    botify = sandbox("list analyses 1: answer 429 retry-after 70")
    async with client_of(botify) as client:
        await list_analyses(client, BOOST)
    first, second = (seen.loop_at for seen in botify.requests)
    assert second - first >= 70


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("999999", 300), ("soon", None), ("", None), ("-5", None)])
async def test_a_retry_after_that_makes_no_sense_is_ignored(header: str, seconds: float | None) -> None:
    """And one of days is cut: the caller's own patience decides."""
    assert retry_after(httpx.Response(429, headers={"Retry-After": header})) == seconds


async def test_a_retry_after_may_be_a_date() -> None:
    """RFC 9110 §10.2.3; a date in the past means now."""
    assert retry_after(httpx.Response(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("answer 401 code 1001", TokenRefused, "401"),
        ("answer 403 code 1002", AccessDenied, "403"),
        ("answer 404 code 1010", NotFound, "404"),
        ("answer 400 code 1020", RequestRefused, "1020"),
        ("answer 404 html", NotFound, "404"),
        ("redirect https://evil.example/", RequestRefused, "redirects to evil.example"),
    ],
)
async def test_a_refusal_is_not_tried_again(fault: str, error: type[Exception], words: str) -> None:
    """§1.1, §7.3: one request, Botify's own words, exit code 3."""
    botify = sandbox(f"list analyses 1+: {fault}")
    async with client_of(botify) as client:
        with pytest.raises(error, match=words):
            await list_analyses(client, BOOST)
    assert len(botify.requests) == 1


async def test_a_wrong_token_is_refused_in_botifys_words() -> None:
    """§1.1: 401, code 1001."""
    async with client_of(sandbox(), api_token="wrong") as client:
        with pytest.raises(TokenRefused, match=r"Not Authorized \(1001\)"):
            await list_analyses(client, BOOST)


@pytest.mark.parametrize(("project", "error"), [("forbidden", AccessDenied), ("unknown", NotFound)])
async def test_a_project_out_of_reach_is_refused(project: str, error: type[Exception]) -> None:
    """§1.1: 403 (1002) or 404 (1010)."""
    async with client_of(sandbox()) as client:
        with pytest.raises(error):
            await list_analyses(client, ProjectAddress(org="sandbox", project=project))


async def test_next_is_followed_on_the_api_host_only() -> None:
    """§2.1: `next` is absolute; a foreign one must not receive the token."""
    botify = sandbox(foreign_next=True, list_size_limit=1)
    async with client_of(botify) as client:
        assert len(await list_analyses(client, BOOST)) == 5
    assert {seen.host for seen in botify.requests} == {"127.0.0.1:8465"}


async def test_pages_that_lead_in_a_circle_end() -> None:
    """A `next` that names a page already read would never end."""
    asked = 0

    def circle(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, json={"results": [], "next": f"{API_URL}/x?page=1&size=100"})

    settings = client_of(sandbox()).settings
    async with BotifyClient(settings, transport=httpx.MockTransport(circle)) as client:
        with pytest.raises(BotifyUnavailable, match="in a circle"):
            await list_analyses(client, BOOST)
    assert asked <= 2


async def test_never_more_than_five_requests_in_any_second() -> None:
    """§7.1, counted by the server, over all clients of the process."""
    botify = sandbox()
    async with client_of(botify) as one, client_of(botify) as other:
        await asyncio.gather(*(list_fields(client, BOOST, NEWEST) for client in (one, other) for _ in range(20)))
    assert len(botify.requests) == 40
    assert botify.most_api_requests_in_one_second == 5


async def test_a_slow_answer_does_not_let_more_requests_through() -> None:
    """The second is counted from the answer: what the network holds back cannot pile up."""
    botify = sandbox("list fields 1-5: delay 0.9")
    async with client_of(botify) as client:
        await asyncio.gather(*(list_fields(client, BOOST, NEWEST) for _ in range(12)))
    assert botify.most_api_requests_in_one_second <= 5


async def test_the_limit_is_a_setting() -> None:
    """BOTIFY_REQUESTS_PER_SECOND."""
    botify = sandbox()
    async with client_of(botify, requests_per_second=2) as client:
        await asyncio.gather(*(list_fields(client, BOOST, NEWEST) for _ in range(7)))
    assert botify.most_api_requests_in_one_second == 2


def test_the_sandbox_default_is_not_to_refuse() -> None:
    """So that the limit above is ours, not the server's."""
    assert Behaviour().requests_per_second is None
