import httpx
import pytest

from deployments.sandbox import API_URL, Analysis, Sandbox
from tests.sandbox.conversation import CRAWL, H1, PROJECT, URLS, talking

pytestmark = pytest.mark.anyio

LIGHT = f"/analyses/sandbox/{PROJECT}/light"


async def test_the_profile_names_the_user_of_the_token() -> None:
    """§1.1: `GET /authentication/profile` answers `{"data": {"username": ...}}`."""
    async with talking() as botify:
        assert await botify.get("/authentication/profile") == {"data": {"username": "sandbox.user"}}


@pytest.mark.parametrize("authorization", ["", "Token wrong", "Bearer sandbox-token", "Token sandbox-token\tx"])
async def test_any_other_token_is_refused_in_the_envelope(authorization: str) -> None:
    """§1.1, §10: 401 with error_code 1001, as a string."""
    async with httpx.AsyncClient(transport=Sandbox().transport()) as client:
        answer = await client.get(f"{API_URL}/authentication/profile", headers={"authorization": authorization})
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": {"error_code": "1001", "message": "Not Authorized"}},
    )


async def test_the_keyword_may_be_in_lower_case() -> None:
    """§1.1: `token <...>` works too."""
    async with httpx.AsyncClient(transport=Sandbox().transport()) as client:
        answer = await client.get(f"{API_URL}/jobs", headers={"authorization": "token sandbox-token"})
    assert answer.status_code == 200


async def test_error_codes_can_be_integers() -> None:
    """§7.3: accept int or string code."""
    async with talking(error_code="integer") as botify:
        answer = await botify.client.get(f"{API_URL}/jobs/1")
    assert answer.json()["error"]["error_code"] == 1000


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/analyses/sandbox/forbidden/light", 403, "1002"),
        ("/analyses/sandbox/unknown/light", 404, "1010"),
        ("/analyses/somebody/www.boost.org/light", 404, "1010"),
        (f"/analyses/sandbox/{PROJECT}/20200101", 404, "1004"),
        (f"/projects/sandbox/{PROJECT}/collections/crawl.20200101", 404, "1004"),
        ("/users/somebody/projects", 404, "1007"),
        ("/nothing", 404, "1010"),
        ("/jobs?page=0", 400, "1020"),
        ("/projects/sandbox/www.boost.org/query", 405, "1039"),
    ],
)
async def test_what_is_not_there_has_its_code(path: str, status: int, code: str) -> None:
    """§1.1, §7.3: status and code of each refusal."""
    async with talking() as botify:
        answer = await botify.client.get(API_URL + path)
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (status, code)


async def test_projects_of_a_user_are_a_bare_array() -> None:
    """§1.5, §8.16: live, `/users/{u}/projects` is an array; the Swagger says pages."""
    async with talking() as botify:
        projects = await botify.get("/users/sandbox/projects")
    assert [(project["slug"], project["user"]["login"]) for project in projects] == [
        ("www.boost.org", "sandbox"),
        ("www.postgresql.org", "sandbox"),
    ]
    async with talking(projects_enveloped=True) as botify:
        assert (await botify.get("/users/sandbox/projects"))["count"] == 2


async def test_projects_are_found_by_name() -> None:
    """§1.5: `GET /projects/{username}` takes name, page and size."""
    async with talking() as botify:
        found = await botify.get("/projects/sandbox", name="postgres")
    assert [project["slug"] for project in found["results"]] == ["www.postgresql.org"]


async def test_analyses_are_listed_newest_first_without_those_that_run_or_failed() -> None:
    """§2.1, §2.3, §10: newest first, only_success by default, a `-2` slug among them."""
    async with talking() as botify:
        default = await botify.get(LIGHT)
        everything = await botify.get(LIGHT, only_success="false")
    assert [found["slug"] for found in default["results"]] == [
        *("20261122-2", "20261122", "20261101", "20261001", "20260901")
    ]
    assert (default["page"], default["size"], default["next"]) == (1, 20, None)
    assert {found["status"] for found in everything["results"]} == {"success", "crawling", "failed"}


async def test_pages_are_linked_by_absolute_urls() -> None:
    """§2.1: `next` is an absolute URL, null on the last page."""
    async with talking() as botify:
        first = await botify.get(LIGHT, size=3)
        second = (await botify.client.get(first["next"])).json()
    assert first["next"] == f"{API_URL}{LIGHT}?size=3&page=2"
    assert [found["slug"] for found in second["results"]] == ["20261001", "20260901"]
    assert (second["next"], second["previous"] is None, second["count"]) == (None, False, 5)


async def test_next_can_be_a_trap_at_the_other_host() -> None:
    """§8.17: a client that follows it hands the token to another host; the ledger shows it."""
    async with talking(foreign_next=True) as botify:
        first = await botify.get(LIGHT, size=3)
        await botify.client.get(first["next"])
    assert first["next"].startswith("http://localhost:8466/v1/analyses/")
    assert botify.sandbox.requests[-1].host == "localhost:8466"
    assert botify.sandbox.requests[-1].authorization == "Token sandbox-token"


async def test_light_rows_have_integers_and_dates_with_z() -> None:
    """§2.2, §10: ints as ints; no date_crawl_done in a light row."""
    async with talking() as botify:
        newest = (await botify.get(LIGHT))["results"][0]
    assert newest["urls_done"] == URLS
    assert newest["date_launched"] == "2026-11-22T08:00:00.000000Z"
    assert "date_crawl_done" not in newest


async def test_a_full_analysis_has_its_configuration() -> None:
    """§2.2: `config.export_limit` is an int."""
    async with talking(export_limit=500) as botify:
        listed = (await botify.get(f"/analyses/sandbox/{PROJECT}"))["results"][0]
        read = await botify.get(f"/analyses/sandbox/{PROJECT}/20261122-2")
    assert listed == read
    assert read["config"]["export_limit"] == 500


async def test_a_running_crawl_is_only_read_by_its_slug() -> None:
    """§2.3: urls_done reads 0 and urls_in_queue null, while crawl_statistics counts."""
    async with talking() as botify:
        running = await botify.get(f"/analyses/sandbox/{PROJECT}/20261123")
        statistics = await botify.get(f"/analyses/sandbox/{PROJECT}/20261123/crawl_statistics")
    assert (running["status"], running["urls_done"], running["urls_in_queue"]) == ("crawling", 0, None)
    assert statistics["pages_dones"] == URLS < statistics["pages_known"]
    assert statistics["pages_dones_4xx"] == 6


async def test_older_analyses_hold_fewer_urls_and_always_the_same() -> None:
    """§2.2: `urls_done` of a finished analysis is its number of URLs."""
    async with talking() as one, talking() as another:
        counts = [found["urls_done"] for found in (await one.get(LIGHT))["results"]]
        assert counts == [found["urls_done"] for found in (await another.get(LIGHT))["results"]]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 5


async def test_collections_are_a_bare_array() -> None:
    """§3.6: `crawl.SLUG` for each finished analysis, and `global`."""
    async with talking() as botify:
        collections = await botify.get(f"/projects/sandbox/{PROJECT}/collections")
    assert collections[0] == {"id": CRAWL, "name": "2026 Nov. 22", "date": "2026-11-22", "timestamped": False}
    assert collections[-1]["id"] == "global"


@pytest.mark.parametrize(("prefixed", "name"), [(True, H1), (False, "metadata.h1.contents")])
async def test_the_field_list_says_what_each_field_is(prefixed: bool, name: str) -> None:
    """§3.6: `multiple` marks list fields, `kind` the metric; whether ids are prefixed is a switch."""
    async with talking(prefixed_fields=prefixed) as botify:
        found = await botify.get(f"/projects/sandbox/{PROJECT}/collections/{CRAWL}")
    fields = {field["id"]: field for field in found["datasets"][0]["fields"]}
    assert fields[name]["multiple"] is True
    assert [field["name"] for field in fields.values() if field["kind"] == "metric"] == ["No. of Crawled URLs"]


async def test_a_new_analysis_can_be_published() -> None:
    """§2.1: a crawl that has just finished comes first."""
    async with talking() as botify:
        botify.sandbox.publish(PROJECT, Analysis("20261124", share=50))
        botify.sandbox.publish(PROJECT, Analysis("20261122-10"))
        slugs = [found["slug"] for found in (await botify.get(LIGHT))["results"]]
    assert slugs[:3] == ["20261124", "20261122-10", "20261122-2"]
