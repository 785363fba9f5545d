"""The flow that exports the analyses of the past: those between two dates, oldest first."""

from datetime import date
from typing import Annotated, Any, Final, cast

from prefect import flow
from pydantic import Field

from flows.ending import ended_before_it_began, ended_together, failed
from flows.export_crawl import FIELDS, ProjectUrl, export_crawl
from flows.one_of_many import one_of_many
from tasks.artifacts.keys import artifact_key
from tasks.artifacts.portfolio_table import live_table
from tasks.artifacts.run_logs import logs_on_the_run
from tasks.artifacts.run_page import name_run
from tasks.exports.errors import ExportError
from tasks.exports.settings import Settings, using
from tasks.exports.site import Coverage
from tasks.exports.summary import ExportStatus, OneOfMany, Summary
from tasks.exports.wanted import OutputFormat
from tasks.load_credentials import load_credentials
from tasks.parse_project_url import parse_project_url
from tasks.select_analysis import select_analyses
from tasks.share_rate_limit import rate_limit_shared

LATER: Final = "It comes after one that max_credits stopped."


@flow(name="backfill", flow_run_name="backfill {project_url}")
async def backfill(
    project_url: ProjectUrl,
    since: date,
    until: date,
    fields: list[str] = FIELDS,
    max_rows: Annotated[int, Field(ge=1)] = 1_000_000,
    output_dir: str = "",
    file_format: OutputFormat = OutputFormat.BOTH,
    coverage: Coverage = Coverage.DEPTH,
    max_credits: Annotated[int | None, Field(ge=0)] = None,
    credentials: str = "",
) -> Summary:
    """Export every successful analysis between two dates, oldest first; run again, it goes on where it stopped.

    Args:
        project_url: The project's address, as the browser shows it.
        since: The first day, by the analyses' names.
        until: The last day.
        fields: The columns beside `url`: depth, http_code, title, meta_description, h1, or any field's id.
        max_rows: The most rows, which are credits, of a job.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
        file_format: The formats of the data: csv, parquet, or both.
        coverage: `depth` exports what fits one job; `full` every URL of an analysis, in as many jobs as that takes.
        max_credits: Stop before the first analysis that would bring what this run pays above this.
        credentials: The name of a Botify Credentials block. Empty: BOTIFY_API_TOKEN, else botify_token.txt.
    """
    if state := await ended_before_it_began():
        return cast(Summary, state)
    terms = {"fields": fields, "max_rows": max_rows, "file_format": file_format, "coverage": coverage}
    try:
        with using(await load_credentials(credentials)), rate_limit_shared(), logs_on_the_run():
            places = Settings.load(output_dir or None).with_token().places
            address = await parse_project_url(project_url)
            await name_run(f"{address} {since} to {until}", address)
            analyses = await select_analyses(address, since, until)
            asked = terms | {"project_url": str(address), "output_dir": str(places.data_dir)}
            exports = [OneOfMany(project=str(address), analysis=analysis) for analysis in analyses]
            key = artifact_key("backfill", address.org, address.project)
            async with live_table(exports, key, f"Backfill of {address}"):
                await _export_all(exports, asked, max_credits)
    except ExportError as error:
        return cast(Summary, failed(error))
    return cast(Summary, ended_together(Summary(exports=tuple(exports)), "analyses"))


async def _export_all(exports: list[OneOfMany], asked: dict[str, Any], max_credits: int | None) -> None:
    """Export one after another; one that fails does not stop the others, the end of the budget does."""
    left = max_credits
    for number, export in enumerate(exports):
        await one_of_many(exports, number, export_crawl(**asked, analysis=export.analysis, max_credits=left))
        if exports[number].status is ExportStatus.NOT_PAID_FOR:
            exports[number + 1 :] = [
                later.now(ExportStatus.NOT_PAID_FOR, says=LATER) for later in exports[number + 1 :]
            ]
            return
        if left is not None:
            left = max(left - exports[number].credits, 0)
