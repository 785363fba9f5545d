"""The flow: from a Botify project URL to checked files."""

import logging
from typing import Annotated

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows.delivery import deliver
from flows.ending import says_how_it_ended
from flows.run_context import delivered, reported
from flows.site_delivery import deliver_site
from tasks.artifacts.run_page import name_run
from tasks.ask_analysis import ask_analysis
from tasks.calculate_depth import calculate_depth
from tasks.choose_columns import choose_columns, choose_site_columns
from tasks.delivery.exported import Question
from tasks.exports.columns import DEFAULT_FIELDS
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.project_address import ASK, ProjectAddress
from tasks.exports.settings import Settings, using
from tasks.exports.site import Coverage, check_coverage
from tasks.exports.wanted import OutputFormat, WantedFiles
from tasks.load_credentials import load_credentials
from tasks.parse_project_url import parse_project_url
from tasks.plan_slices import plan_slices
from tasks.select_analysis import select_analysis
from tasks.share_rate_limit import rate_limit_shared
from tasks.skip_exported import skip_exported

LOGGER = logging.getLogger("botify_export")
FIELDS = list(DEFAULT_FIELDS)
# No pattern: the form would quote it, while the run's first step says in a sentence what is wrong with an address.
ProjectUrl = Annotated[str, Field(min_length=3, examples=["https://app.botify.com/ORG/PROJECT/"])]


@flow(name="export-crawl", flow_run_name="{project_url}")
@says_how_it_ended
async def export_crawl(
    project_url: ProjectUrl,
    analysis: str = "",
    fields: list[str] = FIELDS,
    coverage: Coverage = Coverage.DEPTH,
    max_rows: Annotated[int, Field(ge=1)] = 1_000_000,
    max_depth: Annotated[int | None, Field(ge=0)] = None,
    max_credits: Annotated[int | None, Field(ge=0)] = None,
    file_format: OutputFormat = OutputFormat.BOTH,
    excel: bool = False,
    refresh: bool = False,
    only_new: bool = False,
    output_dir: str = "",
    credentials: str = "",
) -> Outcome:
    """Deliver a Botify crawl's pages as checked CSV and Parquet files.

    Args:
        project_url: The project's address, as the browser shows it.
        analysis: Which crawl: `latest`, a slug such as 20260131, or `ask`, which waits until somebody chooses one on
            the run's page. Empty: the one in the address, else the latest.
        fields: The columns beside `url`: depth, http_code, title, meta_description, h1, or any field's id.
        coverage: `depth` exports what fits one job; `full` every URL of the analysis, in as many jobs as that takes.
        max_rows: The most rows, which are credits, of a job; the depth is chosen so that they are never exceeded.
        max_depth: The deepest depth wanted, if shallower than the limit would allow.
        max_credits: Stop before anything is paid for, if more than this would be.
        file_format: The formats of the data: csv, parquet, or both.
        excel: Write a CSV for people beside them: Excel opens it as it is meant, and it runs no formula.
        refresh: Make, and pay for, a new export although there is one.
        only_new: End at once, as skipped, if the analysis was exported before; for schedules.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
        credentials: The name of a Botify Credentials block. Empty: BOTIFY_API_TOKEN, else botify_token.txt.
    """
    check_coverage(coverage, max_depth)
    wanted = WantedFiles.of(file_format, excel=excel)
    with using(await load_credentials(credentials)), rate_limit_shared():
        places = Settings.load(output_dir or None).with_token().places
        address = await parse_project_url(project_url)
        async with reported(address.org, address.project, places):
            slug = await ask_analysis(address, places) if analysis == ASK else analysis
            selected = (await select_analysis(address, slug)).slug
            await name_run(f"{address} {selected}", address)
            limits = Limits(max_rows=max_rows, max_depth=max_depth, max_credits=max_credits, refresh=refresh)
            question = Question.of(fields, max_rows=max_rows, max_depth=max_depth, coverage=coverage, wanted=wanted)
            if only_new and (exported := await skip_exported(address, selected, question, places)):
                return delivered(exported)
            export = _export_site if coverage is Coverage.FULL else _export_to_depth
            return await export(address, selected, fields, wanted, limits, places)


class Limits(BaseModel):
    """What an export may take and cost."""

    model_config = ConfigDict(frozen=True)

    max_rows: int
    max_depth: int | None
    max_credits: int | None
    refresh: bool


async def _export_to_depth(
    address: ProjectAddress, analysis: str, fields: list[str], wanted: WantedFiles, limits: Limits, places: Places
) -> Outcome:
    plan = await calculate_depth(address, analysis, limits.max_rows, limits.max_depth)
    await name_run(f"{address} {analysis} depth {plan.max_depth}", address)
    LOGGER.info("%s %s", plan.in_words(), plan.rest_in_words())
    request = await choose_columns(address, analysis, plan, fields)
    return await deliver(request, places, wanted, refresh=limits.refresh, max_credits=limits.max_credits)


async def _export_site(
    address: ProjectAddress, analysis: str, fields: list[str], wanted: WantedFiles, limits: Limits, places: Places
) -> Outcome:
    plan = await plan_slices(address, analysis, limits.max_rows)
    await name_run(f"{address} {analysis} whole site", address)
    LOGGER.info("%s", plan.in_words())
    request = await choose_site_columns(address, analysis, limits.max_rows, fields)
    return await deliver_site(request, plan, places, wanted, refresh=limits.refresh, max_credits=limits.max_credits)
