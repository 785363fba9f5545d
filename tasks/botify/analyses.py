"""A project's analyses: its crawls (botify-api.md §2)."""

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.botify.client import BotifyClient
from tasks.botify.lenient import Count, Date
from tasks.botify.paging import Page, pages
from tasks.exports.errors import AnalysisRefused, NotFound
from tasks.exports.project_address import LATEST, ProjectAddress, checked_analysis

PAGE_SIZE: Final = 100


class Analysis(BaseModel):
    """One crawl of the project's site. `urls_done` is the number of crawled URLs once the crawl has finished."""

    model_config = ConfigDict(frozen=True)

    slug: str
    status: str = "unknown"
    name: str | None = None
    urls_done: Count = None
    date_launched: Date = None
    date_finished: Date = None

    @property
    def succeeded(self) -> bool:
        return self.status == "success"

    @property
    def age(self) -> tuple[str, int, str]:
        """A key that sorts the newest last: the day, the number within it (`-2`), the slug."""
        if match := re.fullmatch(r"(\d{8})(?:-(\d+))?", self.slug):
            return match[1], int(match[2] or 1), self.slug
        launched = self.date_launched or self.date_finished
        return f"{launched:%Y%m%d}" if launched else "", 1, self.slug


_ANALYSIS: Final = TypeAdapter(Analysis)
_PAGE: Final = TypeAdapter(Page[Analysis])


async def list_analyses(client: BotifyClient, address: ProjectAddress) -> list[Analysis]:
    """Return every analysis that Botify lists, newest first: the successful ones (§2.3). Raises BotifyRefused."""
    path = ("analyses", address.org, address.project, "light")
    what = f"The analyses of {address}"
    listed = [
        row async for rows in pages(client, what, path, _PAGE, params={"page": 1, "size": PAGE_SIZE}) for row in rows
    ]
    return sorted({analysis.slug: analysis for analysis in listed}.values(), key=lambda a: a.age, reverse=True)


async def select_analysis(client: BotifyClient, address: ProjectAddress, wanted: str = LATEST) -> Analysis:
    """Return the newest successful analysis, or the one that is wanted if it succeeded.

    Raises AnalysisRefused (exit 2) for one that is unknown or did not succeed, BotifyRefused for the project.
    """
    if wanted == LATEST:
        return await _newest(client, address)
    slug = checked_analysis(wanted)
    what = f"The analysis {slug} of {address}"
    try:
        analysis = await client.read(what, ("analyses", address.org, address.project, slug), _ANALYSIS)
    except NotFound:
        # Is it the analysis that is missing, or the project? The list tells: it raises for a missing project.
        known = ", ".join(found.slug for found in (await list_analyses(client, address))[:5])
        raise AnalysisRefused(f"{address} has no analysis {slug}; its newest are: {known or 'none'}.") from None
    if not analysis.succeeded:
        raise AnalysisRefused(f"The analysis {slug} of {address} is {analysis.status}; only a success can be exported.")
    return analysis


async def _newest(client: BotifyClient, address: ProjectAddress) -> Analysis:
    for analysis in await list_analyses(client, address):
        if analysis.succeeded:
            checked_analysis(analysis.slug)
            return analysis
    raise AnalysisRefused(
        f"{address} has no successful analysis yet.", next_step="Run this again when its first crawl has finished."
    )
