import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deployments.sandbox import API_URL, TOKEN, Sandbox
from tests.sandbox.conversation import (
    CRAWL,
    PROJECT,
    URLS,
    URLS_AT_DEPTH_1,
    Conversation,
    Json,
    bql,
    export,
    table,
    talking,
)

pytestmark = pytest.mark.anyio


async def test_a_new_job_is_created_with_a_relative_url() -> None:
    """§4.2, §8.6, §10: 201, CREATED, relative job_url, no results, the token's user."""
    async with talking() as botify:
        job = await botify.create()
    assert (job["job_id"], job["job_url"], job["job_status"]) == (1001, "/v1/jobs/1001", "CREATED")
    assert (job["results"], job["user"], job["metadata"], job["crawl_date"]) == (None, "sandbox.user", None, None)


async def test_the_payload_comes_back_normalised() -> None:
    """§4.3: the defaults filled in, the keys in jsonb order, a superset of what was sent."""
    async with talking() as botify:
        payload = (await botify.create())["payload"]
    assert payload["formatter_config"] == {
        "delimiter": ",",
        "print_header": False,
        "header_format": "verbose",
        "print_delimiter": False,
    }
    assert (payload["extra_config"], payload["sort_url_id"]) == ({"compression": "gzip"}, False)
    assert payload["export_job_name"] is None
    assert list(payload)[:4] == ["query", "project", "username", "connector"]
    assert payload.items() >= export()["payload"].items()


async def test_a_name_and_metadata_come_back() -> None:
    """§5.3: the markers by which a job is found again."""
    async with talking() as botify:
        job = await botify.create({**export(export_job_name="mine"), "metadata": {"tag": "mine"}})
        read = await botify.get("/jobs/1001")
    assert job["payload"]["export_job_name"] == read["payload"]["export_job_name"] == "mine"
    assert read["metadata"] == {"tag": "mine"}


async def test_a_name_metadata_and_owner_may_not_come_back() -> None:
    """§9.6: that a sent value comes back is not seen; §4.3: username and project may not be echoed."""
    switches = {"echo_export_job_name": False, "echo_metadata": False, "echo_owner": False}
    async with talking(**switches) as botify:
        job = await botify.create({**export(export_job_name="mine"), "metadata": {"tag": "mine"}})
    assert (job["payload"]["export_job_name"], job["metadata"]) == (None, None)
    assert not {"username", "project"} & set(job["payload"])


async def test_a_job_id_can_be_a_string() -> None:
    """§9.19: int or string on the wire."""
    async with talking(job_id="string") as botify:
        job = await botify.create()
        assert job["job_id"] == "1001"
        assert await botify.status(job) == "DONE"


@pytest.mark.parametrize(
    ("payload", "status", "code"),
    [
        ({"username": None}, 400, "1020"),
        ({"export_size": 0}, 400, "1020"),
        ({"formatter": "ndjson"}, 400, "1020"),
        ({"connector": "s3"}, 400, "1020"),
        ({"extra_config": {"compression": "rar"}}, 400, "1020"),
        ({"formatter_config": []}, 201, None),
        ({"formatter_config": "csv"}, 400, "1020"),
        ({"query": bql([f"{CRAWL}.none"])}, 400, "1029"),
        ({"project": "unknown"}, 404, "1010"),
        ({"project": "forbidden"}, 403, "1002"),
        ({"colour": "blue"}, 201, None),
    ],
)
async def test_a_payload_is_checked(payload: dict[str, Json], status: int, code: str | None) -> None:
    """§4.1, §7.3: required keys and their values; unknown keys pass unless switched."""
    async with talking() as botify:
        answer = await botify.post("/jobs", export(**payload))
    assert answer.status_code == status
    assert code is None or answer.json()["error"]["error_code"] == code
    assert len(botify.sandbox.jobs) == (status == 201)


async def test_unknown_payload_keys_can_be_refused() -> None:
    """§9.6: whether unknown payload keys are refused is unknown."""
    async with talking(strict_payload=True) as botify:
        assert (await botify.post("/jobs", export(colour="blue"))).status_code == 400


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"job_type": "logs_urls_export", "payload": {}}'])
async def test_what_is_no_export_job_is_refused(body: bytes) -> None:
    """§4.1: job_type and payload are required."""
    async with talking() as botify:
        answer = await botify.client.post(f"{API_URL}/jobs", content=body)
    assert answer.json()["error"]["error_code"] == "1020"


async def test_a_job_is_done_on_the_first_look_by_default() -> None:
    """§5.2, §10: DONE with a download URL on another host, and nothing else in results."""
    async with talking() as botify:
        job = await botify.get(f"/jobs/{(await botify.create())['job_id']}")
    assert job["job_status"] == "DONE"
    assert list(job["results"]) == ["download_url"]
    assert job["results"]["download_url"].startswith("http://localhost:8466/collection_exports/")
    assert job["results"]["download_url"].endswith(".csv.gz")


async def test_a_job_ages_with_the_time_of_the_loop() -> None:
    """§5.1: CREATED, PROCESSING, DONE."""
    async with talking(job_seconds=30) as botify:
        job, seen = await botify.create(), []
        for _ in range(4):
            seen.append(await botify.status(job))
            await asyncio.sleep(10)
    assert seen == ["CREATED", "PROCESSING", "PROCESSING", "DONE"]


async def test_a_running_job_may_have_an_unknown_word() -> None:
    """§5.1, §9.4: any other value than DONE and FAILED means still running."""
    async with talking(job_seconds=30, running_status="SHARDING") as botify:
        job = await botify.create()
        await asyncio.sleep(15)
        assert await botify.status(job) == "SHARDING"


@pytest.mark.parametrize("offset", [0, 1, -3])
async def test_a_job_may_name_its_lines_truly_or_not(offset: int) -> None:
    """§5.2, §9.1: nb_lines, when there at all, may count otherwise."""
    async with talking(nb_lines=True, nb_lines_offset=offset) as botify:
        job = await botify.get(f"/jobs/{(await botify.create())['job_id']}")
    assert job["results"]["nb_lines"] == URLS_AT_DEPTH_1 + offset


async def test_the_server_has_another_clock() -> None:
    """§5.3: date_created is to be compared with an allowance for clock skew."""
    moment = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    sandbox = Sandbox(now=lambda: moment)
    async with httpx.AsyncClient(transport=sandbox.transport()) as client:
        headers = {"authorization": f"Token {TOKEN}"}
        answer = await client.post(f"{API_URL}/jobs", headers=headers, json=export())
    assert answer.json()["date_created"] == "2026-11-22T10:00:00.000000Z"
    async with talking(clock_skew=-3600) as botify:
        created = datetime.fromisoformat((await botify.create())["date_created"])
    assert datetime.now(UTC) - created > timedelta(minutes=59)


async def test_rows_beyond_the_export_size_are_cut_silently() -> None:
    """§7.2, §8.7: cut to export_size, with no flag."""
    async with talking() as botify:
        assert len(table(await botify.text(export(export_size=10)))) == 10


async def test_an_export_size_above_the_limit_is_clamped_or_refused() -> None:
    """§9.8: 4xx or clamp?"""
    async with talking(export_limit=20) as botify:
        assert len(table(await botify.text())) == 20
    async with talking(export_limit=20, over_limit="refuse") as botify:
        assert (await botify.post("/jobs", export())).status_code == 400


async def test_every_row_of_every_job_is_a_credit() -> None:
    """§7.1, §7.4: one credit a data row, and again for the same job sent twice."""
    async with talking() as botify:
        await botify.create()
        await botify.create()
        await botify.create(export(bql(["url"]), export_size=10_000))
        assert botify.sandbox.credits == 2 * URLS_AT_DEPTH_1 + URLS


async def test_an_unknown_job_is_not_found() -> None:
    """§7.3: no code is documented for it."""
    async with talking() as botify:
        assert (await botify.client.get(f"{API_URL}/jobs/7")).status_code == 404


# The list


async def ids(botify: Conversation, **query: str | int) -> list[int]:
    return [job["job_id"] for job in (await botify.get("/jobs", **query))["results"]]


async def test_jobs_are_listed_with_their_payload() -> None:
    """§5.3: envelope of the same objects."""
    async with talking() as botify:
        await botify.create(export(export_job_name="mine"))
        listed = await botify.get("/jobs", job_type="export", project=PROJECT, page=1)
    assert (listed["count"], listed["page"], listed["size"], listed["next"]) == (1, 1, 20, None)
    assert listed["results"][0]["payload"]["export_job_name"] == "mine"
    assert listed["results"][0]["job_status"] == "DONE"


async def test_list_rows_may_come_without_their_payload() -> None:
    """§9.5: whether list rows hold the full payload is unknown."""
    async with talking(list_payload=False) as botify:
        await botify.create()
        assert (await botify.get("/jobs"))["results"][0]["payload"] is None


async def test_the_list_is_filtered_by_project_and_type_and_has_nothing_by_analysis() -> None:
    """§5.3: the filters; an export job carries no analysis."""
    async with talking() as botify:
        await botify.create()
        assert await ids(botify, project="www.postgresql.org") == []
        assert await ids(botify, job_type="logs_urls_export") == []
        assert await ids(botify, analysis="20261122-2") == []
        assert await ids(botify, project=PROJECT, job_type="export") == [1001]


async def test_the_list_has_pages() -> None:
    """§5.3: page and size; the largest size is unknown (§9.5)."""
    async with talking(list_size_limit=2) as botify:
        for _ in range(3):
            await botify.create()
        first = await botify.get("/jobs", size=50)
        second = (await botify.client.get(first["next"])).json()
    assert (first["size"], len(first["results"]), len(second["results"]), second["next"]) == (2, 2, 1, None)


@pytest.mark.parametrize(("order", "found"), [("newest", [1005, 1001]), ("oldest", [1001, 1005])])
async def test_the_list_has_an_order(order: str, found: list[int]) -> None:
    """§9.5: the order is not documented."""
    async with talking(job_order=order) as botify:
        for _ in range(5):
            await botify.create()
        listed = await ids(botify)
    assert [listed[0], listed[-1]] == found


async def test_the_order_of_the_list_can_be_none() -> None:
    """§5.3: do not assume newest first; the order is the same on each page."""
    async with talking(job_order="shuffled") as botify:
        for _ in range(5):
            await botify.create()
        whole = await ids(botify)
        pages = [*await ids(botify, size=3), *await ids(botify, size=3, page=2)]
    assert whole == pages
    assert whole not in (sorted(whole), sorted(whole, reverse=True))


async def test_the_list_may_hold_the_jobs_of_others() -> None:
    """§9.5: scope unknown, so jobs of the project's other users may fill many pages; they are older and not ours."""
    async with talking(foreign_jobs=45, job_order="oldest") as botify:
        await botify.create()
        first = await botify.get("/jobs", project=PROJECT)
        last = await botify.get("/jobs", project=PROJECT, page=3)
        assert (first["count"], first["results"][0]["user"]) == (46, "someone.else")
        assert last["results"][-1]["user"] == "sandbox.user"
        assert len(botify.sandbox.jobs) == 1


async def test_a_job_may_come_on_the_list_late_or_never() -> None:
    """§5.3: treat the list's behaviour as unproven. A look is a request for its first page."""
    async with talking(listed_after=2) as botify:
        await botify.create()
        assert [await ids(botify) for _ in range(4)] == [[], [], [1001], [1001]]
    async with talking(listed=False) as botify:
        await botify.create()
        assert await ids(botify) == []
        assert await botify.status({"job_id": 1001}) == "DONE"
