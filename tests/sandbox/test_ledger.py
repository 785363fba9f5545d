import asyncio

import httpx
import pytest

from deployments.sandbox import API_URL, TOKEN, Behaviour, Route, Sandbox, most_in_one_second
from tests.sandbox.conversation import PROJECT, URLS_AT_DEPTH_1, Json, export, talking

pytestmark = pytest.mark.anyio


async def test_every_request_is_on_record() -> None:
    """§7.1: what was asked, of which host, with which token, when; refused and broken requests too."""
    async with talking("profile: answer 502 html") as botify:
        await botify.client.get(f"{API_URL}/authentication/profile")
        await botify.get("/jobs", page=1, project=PROJECT)
        await botify.create(export(export_job_name="mine"))
        first, second, third = botify.sandbox.requests
    assert (first.method, first.host, first.path) == ("GET", "127.0.0.1:8465", "/v1/authentication/profile")
    assert (second.route, second.query) == (Route.LIST_JOBS, {"page": "1", "project": PROJECT})
    assert (third.route, b'"mine"' in third.body) == (Route.CREATE_JOB, True)
    assert {seen.authorization for seen in botify.sandbox.requests} == {f"Token {TOKEN}"}


async def test_arrivals_are_timed_by_the_loop() -> None:
    """§7.1: so that a test can say: never more than 5 in any second."""
    async with talking() as botify:
        for _ in range(7):
            await botify.get("/jobs")
            await asyncio.sleep(0.3)
        assert botify.sandbox.most_api_requests_in_one_second == 4
        assert botify.sandbox.requests[1].loop_at - botify.sandbox.requests[0].loop_at == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("moments", "most"),
    [([], 0), ([1.0], 1), ([0.0, 0.5, 1.0], 2), ([0.0, 0.9, 1.1, 1.2, 1.8], 4), ([5.0, 1.0, 5.5], 2)],
)
def test_a_second_is_half_open(moments: list[float], most: int) -> None:
    """§7.1: 5 requests per second."""
    assert most_in_one_second(moments) == most


async def test_too_many_requests_are_refused_when_switched() -> None:
    """§7.1, §7.2: 429 with code 1053 beyond the rate, until the second is over; downloads are not counted."""
    async with talking(requests_per_second=5, retry_after=1) as botify:
        answers = [await botify.client.get(f"{API_URL}/jobs") for _ in range(6)]
        await asyncio.sleep(1)
        again = await botify.client.get(f"{API_URL}/jobs")
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[5].json()["error"]["error_code"] == "1053"
    assert answers[5].headers["retry-after"] == "1"
    assert again.status_code == 200


# Over HTTP, for a sandbox in another process


async def post(sandbox: Sandbox, path: str, body: Json) -> httpx.Response:
    """Without a token, outside /v1."""
    async with httpx.AsyncClient(transport=sandbox.transport()) as client:
        return await client.post(API_URL.replace("/v1", path), json=body)


async def test_the_ledger_is_readable_over_http() -> None:
    """§7.1: without a token, and without being recorded itself."""
    async with talking() as botify:
        await botify.create(export(export_job_name="mine"))
        async with httpx.AsyncClient(transport=botify.sandbox.transport(), base_url=API_URL) as client:
            requests = (await client.get(API_URL.replace("/v1", "/sandbox/requests"))).json()
            jobs = (await client.get(API_URL.replace("/v1", "/sandbox/jobs"))).json()
    assert [(seen["route"], seen["headers"]["authorization"]) for seen in requests] == [
        ("create job", f"Token {TOKEN}")
    ]
    assert jobs["credits"] == jobs["jobs"][0]["rows"] == URLS_AT_DEPTH_1
    assert jobs["jobs"][0]["payload"]["export_job_name"] == "mine"
    assert len(botify.sandbox.requests) == 1


async def test_faults_and_analyses_are_added_over_http() -> None:
    """§10: for a demonstration in another process."""
    async with talking() as botify:
        assert (await post(botify.sandbox, "/sandbox/faults", {"fault": "list jobs: answer 429"})).status_code == 201
        analysis = {"project": PROJECT, "slug": "20261201", "share": 30}
        assert (await post(botify.sandbox, "/sandbox/analyses", analysis)).json() == {"collection": "crawl.20261201"}
        assert (await botify.client.get(f"{API_URL}/jobs")).status_code == 429
        assert (await botify.get(f"/analyses/sandbox/{PROJECT}/light"))["results"][0]["slug"] == "20261201"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/faults", {"fault": "explode"}),
        ("/sandbox/faults", {}),
        ("/sandbox/analyses", {"project": PROJECT, "slug": "tomorrow"}),
    ],
)
async def test_what_cannot_be_added_is_refused(path: str, body: Json) -> None:
    """§10: a mistyped fault must not be silently none."""
    assert (await post(Sandbox(Behaviour()), path, body)).status_code == 400
