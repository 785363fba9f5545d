"""The flow: from a Botify project URL to checked files."""

import logging
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.delivery import deliver
from flows.run_context import reported
from flows.site_delivery import deliver_site
from tasks.botify.fields import DEFAULT_FIELDS
from tasks.calculate_depth import calculate_depth
from tasks.choose_columns import choose_columns, choose_site_columns
from tasks.exports.outcome import Outcome
from tasks.exports.settings import Settings
from tasks.exports.site import Coverage, check_coverage
from tasks.exports.wanted import OutputFormat, WantedFiles
from tasks.parse_project_url import parse_project_url
from tasks.plan_slices import plan_slices
from tasks.select_analysis import select_analysis

LOGGER = logging.getLogger("botify_export")
FIELDS = list(DEFAULT_FIELDS)


@flow(name="export-crawl")
async def export_crawl(
    project_url: str,
    analysis: str | None = None,
    fields: list[str] = FIELDS,
    max_rows: Annotated[int, Field(ge=1)] = 1_000_000,
    max_depth: Annotated[int | None, Field(ge=0)] = None,
    output_dir: str | None = None,
    file_format: OutputFormat = OutputFormat.BOTH,
    excel: bool = False,
    refresh: bool = False,
    coverage: Coverage = Coverage.DEPTH,
    max_credits: Annotated[int | None, Field(ge=0)] = None,
) -> Outcome:
    """Deliver a Botify crawl's pages as checked CSV and Parquet files.

    Args:
        project_url: The project's address, as the browser shows it.
        analysis: Which crawl: `latest`, or a slug such as 20260131. Empty: the one in the address, else the latest.
        fields: The columns beside `url`: depth, http_code, title, meta_description, h1, or any field's id.
        max_rows: The most rows, which are credits, of a job; the depth is chosen so that they are never exceeded.
        max_depth: The deepest depth wanted, if shallower than the limit would allow.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
        file_format: The formats of the data: csv, parquet, or both.
        excel: Write a CSV for people beside them: Excel opens it as it is meant, and it runs no formula.
        refresh: Make, and pay for, a new export although there is one.
        coverage: `depth` exports what fits one job; `full` every URL of the analysis, in as many jobs as that takes.
        max_credits: Stop before anything is paid for, if more than this would be.
    """
    check_coverage(coverage, max_depth)
    wanted = WantedFiles.of(file_format, excel=excel)
    data_dir = Settings.load(output_dir).with_token().data_dir
    address = await parse_project_url(project_url)
    async with reported(address.org, address.project, data_dir):
        selected = await select_analysis(address, analysis)
        if coverage is Coverage.FULL:
            slices = await plan_slices(address, selected.slug, max_rows)
            LOGGER.info("%s", slices.in_words())
            site = await choose_site_columns(address, selected.slug, max_rows, fields)
            return await deliver_site(site, slices, data_dir, wanted, refresh=refresh, max_credits=max_credits)
        plan = await calculate_depth(address, selected.slug, max_rows, max_depth)
        LOGGER.info("%s %s", plan.in_words(), plan.rest_in_words())
        request = await choose_columns(address, selected.slug, plan, fields)
        return await deliver(request, data_dir, wanted, refresh=refresh, max_credits=max_credits)
