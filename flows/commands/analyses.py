"""`botify-export analyses`: what there is to export, and what is published already."""

import argparse
import asyncio
from datetime import datetime

import pandas as pd
from pydantic import BaseModel, ConfigDict
from upath import UPath

from flows.commands.printing import print_json
from tasks.botify.analyses import list_analyses
from tasks.botify.client import BotifyClient
from tasks.delivery.manifest import manifests_below
from tasks.exports.places import Location
from tasks.exports.project_address import checked_analysis, parse_project_address
from tasks.exports.settings import Settings


class ListedAnalysis(BaseModel):
    """One analysis; `published` are the manifests of its exports in the data folder."""

    model_config = ConfigDict(frozen=True)

    slug: str
    date: datetime | None
    status: str
    urls: int | None
    published: tuple[Location, ...]


class Listed(BaseModel):
    """What `analyses --json` prints."""

    model_config = ConfigDict(frozen=True)

    org: str
    project: str
    analyses: tuple[ListedAnalysis, ...]


def analyses(options: argparse.Namespace) -> None:
    """Print the project's analyses, newest first. Raises ExportError."""
    listed = asyncio.run(list_of(options))
    if options.json:
        print_json(listed)
    elif not listed.analyses:
        print(f"{listed.org}/{listed.project} has no successful analysis yet.")
    else:
        print(pd.DataFrame([analysis_row(analysis) for analysis in listed.analyses]).to_string(index=False))


async def list_of(options: argparse.Namespace) -> Listed:
    """Return the project's analyses, newest first, and what of them is published. Raises BotifyRefused."""
    address = parse_project_address(options.url)
    settings = Settings.load(options.output_dir)
    async with BotifyClient(settings) as client:
        found = await list_analyses(client, address)
    places = settings.places
    return Listed(
        org=address.org,
        project=address.project,
        analyses=tuple(
            ListedAnalysis(
                slug=analysis.slug,
                date=analysis.date_finished or analysis.date_launched,
                status=analysis.status,
                urls=analysis.urls_done,
                published=_published(places.analysis(address.org, address.project, checked_analysis(analysis.slug))),
            )
            for analysis in found
        ),
    )


def _published(folder: UPath) -> tuple[UPath, ...]:
    return tuple(manifests_below(folder, "*"))


def analysis_row(analysis: ListedAnalysis) -> dict[str, str]:
    """Return the analysis in words."""
    return {
        "Analysis": analysis.slug,
        "Finished": f"{analysis.date:%Y-%m-%d %H:%M}" if analysis.date else "",
        "Status": analysis.status,
        "URLs": "" if analysis.urls is None else f"{analysis.urls:,}",
        "Published as": ", ".join(manifest.parent.name for manifest in analysis.published),
    }
