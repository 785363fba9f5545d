"""The flow that exports the analyses of the past: those between two dates, oldest first."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.ending import failed
from flows.export_crawl import FIELDS, ProjectUrl, export_crawl
from tasks.artifacts.backfill_table import Backfilled, show_backfill
from tasks.artifacts.run_logs import logs_on_the_run
from tasks.artifacts.run_page import name_run
from tasks.exports.errors import CreditsExceeded, ExportError
from tasks.exports.places import Places
from tasks.exports.settings import Settings, using
from tasks.exports.site import Coverage
from tasks.exports.wanted import OutputFormat
from tasks.ledger.credits import spent_in_all
from tasks.ledger.ledger import Ledger
from tasks.load_credentials import load_credentials
from tasks.parse_project_url import parse_project_url
from tasks.select_analysis import select_analyses
from tasks.share_rate_limit import rate_limit_shared


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
) -> list[Backfilled]:
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
    terms = {"fields": fields, "max_rows": max_rows, "file_format": file_format, "coverage": coverage}
    try:
        with using(await load_credentials(credentials)), rate_limit_shared(), logs_on_the_run():
            places = Settings.load(output_dir or None).with_token().places
            address = await parse_project_url(project_url)
            await name_run(f"{address} {since} to {until}", address)
            analyses = await select_analyses(address, since, until)
            asked = terms | {"project_url": str(address), "output_dir": str(places.data_dir)}
            exports = [export async for export in _exports(analyses, asked, _Budget(places, max_credits))]
            await show_backfill(address, exports)
    except ExportError as error:
        return cast(list[Backfilled], failed(error))
    return cast(list[Backfilled], _ended(exports, len(analyses)))


class _Budget:
    """What this run may still pay, by the ledger: an export that was paid before costs nothing."""

    def __init__(self, places: Places, max_credits: int | None) -> None:
        self._ledger = Ledger.in_folder(places.data_dir)
        self._max_credits = max_credits
        self._before = spent_in_all(self._ledger)

    @property
    def spent(self) -> int:
        return spent_in_all(self._ledger) - self._before

    @property
    def left(self) -> int | None:
        return None if self._max_credits is None else max(self._max_credits - self.spent, 0)


async def _exports(analyses: list[str], asked: dict[str, Any], budget: _Budget) -> AsyncIterator[Backfilled]:
    """Export one after another; one that fails does not stop the others, the end of the budget does."""
    for analysis in analyses:
        spent = budget.spent
        try:
            outcome = await export_crawl(**asked, analysis=analysis, max_credits=budget.left)
        except CreditsExceeded as refusal:
            yield Backfilled(analysis=analysis, status="not paid for", rows=None, credits=0, says=str(refusal))
            return
        except ExportError as error:
            paid = budget.spent - spent
            yield Backfilled(analysis=analysis, status="failed", rows=None, credits=paid, says=str(error), error=error)
        else:
            paid = budget.spent - spent
            place = str(outcome.manifest.parent)
            yield Backfilled(analysis=analysis, status=outcome.status, rows=outcome.rows, credits=paid, says=place)


def _ended(exports: list[Backfilled], wanted: int) -> State[Any]:
    there = sum(export.rows is not None for export in exports)
    words = f"{there} of {wanted} analyses are exported, for {sum(export.credits for export in exports):,} credits"
    if error := next((export.error for export in exports if export.error), None):
        return failed(error, f"{words}. {error}")
    if there < wanted:
        words += f"; {exports[-1].analysis} would cost more than is left of max_credits"
    return Completed(message=words, data=exports)
