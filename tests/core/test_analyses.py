"""Choosing the analysis (botify-api.md §2)."""

import httpx
import pytest

from tasks.botify.analyses import Analysis, list_analyses, select_analysis
from tasks.botify.client import BotifyClient
from tasks.exports.errors import AnalysisRefused, NotFound
from tasks.exports.project_address import ProjectAddress
from tests.core.conversation import BOOST, NEWEST, client_of, sandbox

pytestmark = pytest.mark.anyio


def answering(*rows: dict[str, object]) -> BotifyClient:
    """A client of an API whose list holds these rows."""
    body = {"results": list(rows), "next": None}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    return BotifyClient(client_of(sandbox()).settings, transport=transport)


async def test_the_newest_success_is_the_default() -> None:
    """§2.3: running and failed crawls are not on the list; a `-2` is newer than the first of its day."""
    async with client_of(sandbox()) as client:
        assert (await select_analysis(client, BOOST)).slug == NEWEST


async def test_every_page_is_read_before_the_newest_is_known() -> None:
    """§2.1: the order is observed, not documented."""
    rows: list[dict[str, object]] = [
        {"slug": "20240101", "status": "success"},
        {"slug": "20240301-2", "status": "success"},
        {"slug": "20240301-10", "status": "success"},
        {"slug": "20240301", "status": "success"},
    ]
    async with answering(*rows) as client:
        assert (await select_analysis(client, BOOST)).slug == "20240301-10"


async def test_the_list_stays_newest_first() -> None:
    """What `analyses` prints, whatever the pages' order."""
    async with client_of(sandbox(list_size_limit=2)) as client:
        slugs = [analysis.slug for analysis in await list_analyses(client, BOOST)]
    assert slugs[:3] == ["20261122-2", "20261122", "20261101"]
    assert slugs == sorted(slugs, key=lambda slug: Analysis(slug=slug).age, reverse=True)


async def test_a_suffixed_slug_is_taken_as_it_is() -> None:
    """§8.4: `-2` breaks the parsers of others."""
    async with client_of(sandbox()) as client:
        assert (await select_analysis(client, BOOST, "20261122-2")).slug == "20261122-2"


async def test_an_unknown_analysis_is_refused_with_the_ones_there_are() -> None:
    """Exit code 2: the input is wrong."""
    async with client_of(sandbox()) as client:
        with pytest.raises(AnalysisRefused, match=r"no analysis 19990101; its newest are: 20261122-2, 20261122"):
            await select_analysis(client, BOOST, "19990101")


async def test_an_analysis_of_an_unknown_project_is_not_called_unknown_itself() -> None:
    """Exit code 3: it is the project that Botify does not know."""
    async with client_of(sandbox()) as client:
        with pytest.raises(NotFound, match="1010"):
            await select_analysis(client, ProjectAddress(org="sandbox", project="unknown"), "20261122")


@pytest.mark.parametrize("status", ["crawling", "failed"])
async def test_an_analysis_that_is_no_success_is_refused_with_its_status(status: str) -> None:
    """§2.3: found by its slug although the list hides it."""
    botify = sandbox()
    slug = next(analysis.slug for analysis in botify.analyses(BOOST.project) if analysis.status == status)
    async with client_of(botify) as client:
        with pytest.raises(AnalysisRefused, match=f"{slug} of sandbox/www.boost.org is {status}"):
            await select_analysis(client, BOOST, slug)


@pytest.mark.parametrize("rows", [[], [{"slug": "20240101", "status": "failed"}], [{"slug": "20240101"}]])
async def test_a_project_without_a_success_says_so(rows: list[dict[str, object]]) -> None:
    """Nothing to export is a sentence, not a crash."""
    async with answering(*rows) as client:
        with pytest.raises(AnalysisRefused, match="has no successful analysis yet"):
            await select_analysis(client, BOOST)


async def test_a_slug_that_would_leave_the_data_folder_is_refused() -> None:
    """Wherever it comes from: here from Botify itself."""
    async with answering({"slug": "../../etc", "status": "success"}) as client:
        with pytest.raises(AnalysisRefused):
            await select_analysis(client, BOOST)


@pytest.mark.parametrize("date", ["", None, "yesterday", 7])
async def test_a_date_or_count_of_another_type_is_no_failure(date: object) -> None:
    """§2.2, §8.13: the contract's types are wrong; none of them is worth an export."""
    row = {"slug": "20240101", "status": "success", "date_finished": date, "urls_done": "12", "urls_in_queue": None}
    async with answering(row) as client:
        assert (await select_analysis(client, BOOST)).urls_done == 12
