import asyncio
import gzip
import json

import httpx
import pytest

from deployments.sandbox import API_URL, Answer, Cut, Drop, FailJob, Fault, FaultTextError, Route, read_fault
from tests.sandbox.conversation import PROJECT, Conversation, Json, bql, export, talking

pytestmark = pytest.mark.anyio

PROFILE = f"{API_URL}/authentication/profile"


async def link_of(botify: Conversation) -> str:
    return await botify.link(await botify.create())


async def test_another_answer_comes_instead() -> None:
    """§7.3, §10: 502 with HTML; then the API is as before."""
    async with talking("profile 2: answer 502 html") as botify:
        statuses = [(await botify.client.get(PROFILE)) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 502, 200]
    assert statuses[1].headers["content-type"] == "text/html"
    assert "nginx" in statuses[1].text


@pytest.mark.parametrize(
    ("effect", "status", "code"),
    [
        ("answer 401", 401, "1001"),
        ("answer 429", 429, "1053"),
        ("answer 500 json", 500, "1000"),
        ("answer 400 code 1052", 400, "1052"),
    ],
)
async def test_an_error_comes_in_its_envelope(effect: str, status: int, code: str) -> None:
    """§7.2, §7.3: a 429 has no Retry-After by itself."""
    async with talking(f"profile: {effect}") as botify:
        answer = await botify.client.get(PROFILE)
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (status, code)
    assert "retry-after" not in answer.headers


async def test_a_429_may_say_when_to_come_back() -> None:
    """§7.2: honour a Retry-After if present."""
    async with talking("profile: answer 429 retry-after 7") as botify:
        assert (await botify.client.get(PROFILE)).headers["retry-after"] == "7"


async def test_a_200_may_be_unreadable() -> None:
    """§7.3: accept non-JSON bodies."""
    async with talking("profile: answer 200 garbage") as botify:
        with pytest.raises(json.JSONDecodeError):
            (await botify.client.get(PROFILE)).json()


@pytest.mark.parametrize(("effect", "jobs"), [("drop", 0), ("do, then drop", 1)])
async def test_a_dropped_connection_may_have_made_the_job(effect: str, jobs: int) -> None:
    """§7.3, §8.9: a POST with unknown outcome."""
    async with talking(f"create job: {effect}") as botify:
        with pytest.raises(httpx.RemoteProtocolError):
            await botify.post("/jobs", export())
        assert len(botify.sandbox.jobs) == jobs


async def test_an_error_may_come_after_the_job_was_made() -> None:
    """§7.3: 5xx on a POST says nothing about the job."""
    async with talking("create job: do, then answer 502 html") as botify:
        assert (await botify.post("/jobs", export())).status_code == 502
        assert len(botify.sandbox.jobs) == 1


@pytest.mark.parametrize(("effect", "jobs"), [("stall", 0), ("do, then stall", 1), ("delay 400", 1)])
async def test_no_answer_comes_before_the_read_timeout(effect: str, jobs: int) -> None:
    """§4.8, §8.9, §10: ReadTimeout on a POST that may have made the job, after the timeout in the loop's time."""
    async with talking(f"create job: {effect}") as botify:
        started = asyncio.get_running_loop().time()
        with pytest.raises(httpx.ReadTimeout):
            await botify.client.post(f"{API_URL}/jobs", json=export(), timeout=300)
        assert asyncio.get_running_loop().time() - started == pytest.approx(300)
        assert len(botify.sandbox.jobs) == jobs


async def test_a_slow_answer_comes_in_time() -> None:
    """§4.8: POST can be slow."""
    async with talking("create job: delay 60") as botify:
        started = asyncio.get_running_loop().time()
        await botify.client.post(f"{API_URL}/jobs", json=export(), timeout=300)
        assert asyncio.get_running_loop().time() - started == pytest.approx(60)


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        ("cut at 100", httpx.RemoteProtocolError),
        ("stall at 100", httpx.ReadTimeout),
        ("length +5", httpx.RemoteProtocolError),
    ],
)
async def test_a_body_breaks_after_its_first_bytes(effect: str, error: type[Exception]) -> None:
    """§5.5: the file may end early; what came until then is readable."""
    async with talking(f"download 2: {effect}") as botify:
        link, received = await link_of(botify), b""
        whole = (await botify.download(link)).content
        with pytest.raises(error):  # noqa: PT012 - the bytes before the break are asserted below
            async with botify.client.stream("GET", link) as answer:
                async for chunk in answer.aiter_raw():
                    received += chunk
    assert received == (whole if effect == "length +5" else whole[:100])


async def test_a_body_may_be_short_without_a_sign() -> None:
    """§5.5: a Content-Length that is too small hides the end of the file."""
    async with talking("download 2: length -7") as botify:
        link = await link_of(botify)
        whole, short = (await botify.download(link)).content, (await botify.download(link)).content
    assert short == whole[:-7]


async def test_a_byte_may_be_flipped() -> None:
    """§5.5: no checksum is documented, gzip's own finds it."""
    async with talking("download: flip at 300") as botify:
        damaged = await botify.file()
    with pytest.raises((gzip.BadGzipFile, OSError, EOFError)):
        gzip.decompress(damaged)


async def test_a_download_is_redirected() -> None:
    """§5.5: the same file under the host's other name, or wherever the fault says."""
    async with talking("download 1: redirect", "download 2: redirect /elsewhere") as botify:
        link = await link_of(botify)
        first, second = await botify.download(link), await botify.download(link)
        followed = await botify.download(first.headers["location"])
    assert (first.status_code, first.headers["location"]) == (302, link.replace("//localhost", "//127.0.0.1"))
    assert followed.status_code == 200
    assert second.headers["location"] == "/elsewhere"


@pytest.mark.parametrize(
    ("effect", "reason"),
    [
        ("fail", {}),
        ("fail error too wide", {"error": {"type": "ExportError", "message": "too wide"}}),
        ("fail failure-reason too wide", {"failure_reason": "too wide"}),
        ("fail results too wide", {"results": {"error": "too wide"}}),
    ],
)
async def test_a_job_fails_with_or_without_a_reason(effect: str, reason: Json) -> None:
    """§5.2, §8.10, §10: FAILED with `results: null` and no reason; nobody knows where one would stand."""
    async with talking(f"create job: {effect}", job_seconds=30) as botify:
        job = await botify.create()
        await asyncio.sleep(29)
        assert await botify.status(job) == "PROCESSING"
        await asyncio.sleep(1)
        failed = await botify.get(f"/jobs/{job['job_id']}")
    assert failed["job_status"] == "FAILED"
    assert failed.items() >= ({"results": None} | reason).items()
    assert set(failed) - set(job) == set(reason) - {"results"}


async def test_a_job_may_fail_while_it_is_watched() -> None:
    """§5.1: FAILED is terminal."""
    async with talking("read job 2: fail", job_seconds=30) as botify:
        job = await botify.create()
        assert [await botify.status(job) for _ in range(3)] == ["CREATED", "FAILED", "FAILED"]


@pytest.mark.parametrize("route", ["create job", "read job"])
async def test_a_job_may_never_finish(route: str) -> None:
    """§8.11: a poll cap that is too small; §5.4: nothing stops a job."""
    async with talking(f"{route}: never finish") as botify:
        job = await botify.create()
        await asyncio.sleep(1_000_000)
        assert await botify.status(job) == "PROCESSING"


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_link_may_be_dead(status: int) -> None:
    """§9.3: it stays dead, and reading the job again gives another."""
    async with talking(f"download: expired {status}") as botify:
        job = await botify.create()
        link = await botify.link(job)
        assert [(await botify.download(link)).status_code for _ in range(2)] == [status, status]
        assert (await botify.download(await botify.link(job))).status_code == 200


@pytest.mark.parametrize(
    ("when", "met"),
    [("", [1]), ("2", [2]), ("2-3", [2, 3]), ("3+", [3, 4, 5])],
)
async def test_a_fault_meets_the_requests_it_names(when: str, met: list[int]) -> None:
    """§7.2: a 429 may last one request or go on."""
    async with talking(f"profile {when}".strip() + ": answer 429") as botify:
        statuses = [(await botify.client.get(PROFILE)).status_code for _ in range(5)]
    assert [number for number, status in enumerate(statuses, 1) if status == 429] == met


async def test_faults_of_one_route_follow_each_other() -> None:
    """§7.3: a refused request, then a broken one."""
    async with talking("profile 1: answer 502 html", "profile 2: drop") as botify:
        assert (await botify.client.get(PROFILE)).status_code == 502
        with pytest.raises(httpx.RemoteProtocolError):
            await botify.client.get(PROFILE)
        assert (await botify.client.get(PROFILE)).status_code == 200


async def test_a_fault_that_is_added_counts_from_then_on() -> None:
    """§7.2: for tests that let something go wrong at a certain moment."""
    async with talking() as botify:
        await botify.client.get(PROFILE)
        botify.sandbox.add_fault(Fault(Route.PROFILE, Answer(503), nth=2))
        assert [(await botify.client.get(PROFILE)).status_code for _ in range(3)] == [200, 503, 200]


REQUESTS = {
    "profile": ("GET", "/authentication/profile"),
    "list projects": ("GET", "/users/sandbox/projects"),
    "list analyses": ("GET", f"/analyses/sandbox/{PROJECT}/light"),
    "read analysis": ("GET", f"/analyses/sandbox/{PROJECT}/20261122-2"),
    "crawl statistics": ("GET", f"/analyses/sandbox/{PROJECT}/20261122-2/crawl_statistics"),
    "list collections": ("GET", f"/projects/sandbox/{PROJECT}/collections"),
    "list fields": ("GET", f"/projects/sandbox/{PROJECT}/collections/crawl.20261122-2"),
    "query": ("POST", f"/projects/sandbox/{PROJECT}/query"),
    "create job": ("POST", "/jobs"),
    "read job": ("GET", "/jobs/1001"),
    "list jobs": ("GET", "/jobs"),
    "other": ("DELETE", "/jobs/1001"),
}


@pytest.mark.parametrize("route", REQUESTS)
async def test_every_call_has_a_route_of_its_own(route: str) -> None:
    """§1.2 to §5: the calls of the API, in words."""
    method, path = REQUESTS[route]
    async with talking(*(f"{other}: answer 418" for other in REQUESTS if other != route)) as botify:
        answer = await botify.client.request(method, API_URL + path, json=bql(["url"]) if method == "POST" else None)
        assert answer.status_code != 418
        assert botify.sandbox.requests[-1].route == route


# The text form


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("create job 1: do, then drop", Fault(Route.CREATE_JOB, Drop(after_work=True))),
        ("download 1: cut at 1000", Fault(Route.DOWNLOAD, Cut(1000))),
        ("read job 2-4: fail", Fault(Route.READ_JOB, FailJob(), nth=2, times=3)),
        ("list jobs 3+: drop", Fault(Route.LIST_JOBS, Drop(), nth=3, times=None)),
    ],
)
def test_a_fault_has_a_text_form(text: str, fault: Fault) -> None:
    """§10: the last row's troubles, from the command line."""
    assert read_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("read job 2", "is not ROUTE WHEN: EFFECT"),
        ("read jobs 2: drop", "no route is called 'read jobs'; there are: profile"),
        ("read job 0: drop", "count from 1"),
        ("read job 3-2: drop", "count from 1"),
        ("read job: explode", "no effect reads 'explode'"),
        ("read job: do, then cut at 5", "no effect reads 'do, then cut at 5'"),
        ("read job: answer 400 code 9999", "no error code 9999"),
        ("query: fail", "FailJob is for create job and read job, not for query"),
        ("read job: expired", "ExpireLink is for download"),
    ],
)
def test_a_text_that_is_no_fault_says_why(text: str, complaint: str) -> None:
    """§10: a mistyped fault must not be silently none."""
    with pytest.raises(FaultTextError, match=complaint):
        read_fault(text)
