"""`botify-export plan`: what an export would hold and cost. Nothing is paid for, and Prefect is not needed."""

import argparse
import asyncio

import pandas as pd
from pydantic import BaseModel, ConfigDict

from flows.commands.printing import print_json
from tasks.botify.analyses import LATEST, select_analysis
from tasks.botify.client import BotifyClient
from tasks.botify.counts import plan_depth
from tasks.botify.requests import build_request
from tasks.exports.depth import DepthPlan, depth_rows
from tasks.exports.project_address import parse_project_address
from tasks.exports.settings import Settings


class Planned(BaseModel):
    """What `plan --json` prints: the keys of a run that exist before a job; a row is a credit."""

    model_config = ConfigDict(frozen=True)

    org: str
    project: str
    analysis: str
    max_depth: int
    rows: int
    urls_total: int
    credits: int


def plan(options: argparse.Namespace) -> None:
    """Print the depth table, the depth that `run` would choose, and the credits. Raises ExportError."""
    planned, depth_plan = asyncio.run(_plan(options))
    if options.json:
        print_json(planned)
        return
    print(f"{planned.org}/{planned.project} {planned.analysis}\n")
    print(pd.DataFrame(depth_rows(depth_plan)).to_string(index=False))
    print(f"\n{depth_plan.in_words()}\nAn export of it costs {planned.credits:,} credits. No job was created.")


async def _plan(options: argparse.Namespace) -> tuple[Planned, DepthPlan]:
    address = parse_project_address(options.url)
    async with BotifyClient(Settings.load(options.output_dir)) as client:
        analysis = await select_analysis(client, address, options.analysis or address.analysis or LATEST)
        limits = {"max_rows": options.max_rows, "max_depth": options.max_depth}
        depth_plan = await plan_depth(client, address, analysis.slug, **limits)
        await build_request(client, address, analysis.slug, depth_plan, options.fields)  # refuses unknown fields
    planned = Planned(
        org=address.org,
        project=address.project,
        analysis=analysis.slug,
        max_depth=depth_plan.max_depth,
        rows=depth_plan.rows,
        urls_total=depth_plan.urls_total,
        credits=depth_plan.rows,
    )
    return planned, depth_plan
