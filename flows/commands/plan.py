"""`botify-export plan`: what an export would hold and cost. Nothing is paid for, and Prefect is not needed."""

import argparse
import asyncio

import pandas as pd
from pydantic import BaseModel, ConfigDict

from flows.commands.printing import print_json
from tasks.botify.analyses import select_analysis
from tasks.botify.client import BotifyClient
from tasks.botify.counts import plan_depth
from tasks.botify.requests import build_request, build_site_request
from tasks.botify.site_plan import plan_site
from tasks.exports.depth import depth_rows
from tasks.exports.project_address import ProjectAddress, parse_project_address
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.exports.site import Coverage, check_coverage
from tasks.exports.slices import slice_rows
from tasks.ledger.credits import still_to_pay
from tasks.ledger.ledger import Ledger
from tasks.ledger.sites import SiteLedger


class PlannedSlice(BaseModel):
    """One job of the plan; `state` is that of its export in the ledger, None where it was never begun."""

    model_config = ConfigDict(frozen=True)

    filter: str
    rows: int
    state: str | None
    job_id: str | None


class Planned(BaseModel):
    """What `plan --json` prints: the keys of a run that exist before a job; a row is a credit.

    `credits` is the price of the whole plan, `credits_to_pay` what of it was not paid before.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    project: str
    analysis: str
    max_depth: int | None
    rows: int
    urls_total: int
    credits: int
    credits_to_pay: int
    slices: tuple[PlannedSlice, ...]


class _Shown(BaseModel):
    """A plan with its table and its sentences."""

    planned: Planned
    table: list[dict[str, str]]
    words: str


def plan(options: argparse.Namespace) -> None:
    """Print the depths or the slices that `run` would choose, and the credits. Raises ExportError."""
    check_coverage(options.coverage, options.max_depth)
    shown = asyncio.run(_plan(options))
    planned = shown.planned
    if options.json:
        print_json(planned)
        return
    print(f"{planned.org}/{planned.project} {planned.analysis}\n")
    print(pd.DataFrame(shown.table).to_string(index=False))
    paid = (
        "" if planned.credits_to_pay == planned.credits else f", of which {planned.credits_to_pay:,} are not paid yet"
    )
    print(f"\n{shown.words}\nAn export of it costs {planned.credits:,} credits{paid}. No job was created.")


async def _plan(options: argparse.Namespace) -> _Shown:
    address = parse_project_address(options.url)
    settings = Settings.load(options.output_dir)
    async with BotifyClient(settings) as client:
        analysis = await select_analysis(client, address, address.wanted(options.analysis))
        planning = _plan_site if options.coverage is Coverage.FULL else _plan_depth
        return await planning(client, address, analysis.slug, options)


async def _plan_depth(
    client: BotifyClient, address: ProjectAddress, analysis: str, options: argparse.Namespace
) -> _Shown:
    limits = {"max_rows": options.max_rows, "max_depth": options.max_depth}
    depth_plan = await plan_depth(client, address, analysis, **limits)
    request = await build_request(client, address, analysis, depth_plan, options.fields)  # refuses unknown fields
    ledger = Ledger.in_folder(client.settings.places.data_dir)
    to_pay = still_to_pay(ledger, request)
    planned = _planned((request,), ledger, depth_plan.urls_total, depth_plan.max_depth, to_pay)
    return _Shown(
        planned=planned, table=depth_rows(depth_plan), words=f"{depth_plan.in_words()} {depth_plan.rest_in_words()}"
    )


async def _plan_site(
    client: BotifyClient, address: ProjectAddress, analysis: str, options: argparse.Namespace
) -> _Shown:
    site = await build_site_request(client, address, analysis, options.max_rows, options.fields)
    ledger = Ledger.in_folder(client.settings.places.data_dir)
    sites = SiteLedger.in_folder(client.settings.places.data_dir)
    record = await sites.expected(site, lambda: plan_site(client, address, analysis, max_rows=options.max_rows))
    planned = _planned(record.slices, ledger, record.plan.urls_total, None, sites.still_to_pay(record))
    rows = zip(slice_rows(record.plan), planned.slices, strict=True)
    table = [row | {"State": each.state or "to do", "Job": each.job_id or ""} for row, each in rows]
    return _Shown(planned=planned, table=table, words=record.plan.in_words())


def _planned(
    requests: tuple[ExportRequest, ...], ledger: Ledger, urls_total: int, max_depth: int | None, to_pay: int
) -> Planned:
    """Return the plan with the state of each request."""
    first = requests[0]
    rows = sum(request.expected.rows for request in requests)
    return Planned(
        org=first.org,
        project=first.project,
        analysis=first.analysis,
        max_depth=max_depth,
        rows=rows,
        urls_total=urls_total,
        credits=rows,
        credits_to_pay=to_pay,
        slices=tuple(_slice(ledger, request) for request in requests),
    )


def _slice(ledger: Ledger, request: ExportRequest) -> PlannedSlice:
    record = ledger.find(request)
    return PlannedSlice(
        filter=request.filter.in_words(),
        rows=request.expected.rows,
        state=record.state if record else None,
        job_id=record.job_id if record else None,
    )
