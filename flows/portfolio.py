"""The flow that exports many projects: several at a time, and none waits for another's failure."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, cast

from prefect import flow
from pydantic import Field

from flows.ending import ended_before_it_began, ended_together, failed
from flows.export_crawl import export_crawl
from flows.portfolio_exports import Asked, Exporting, as_subflow, by_deployment
from flows.run_context import handed_over
from flows.take_up_runs import stopped_runs_go_on
from tasks.artifacts.keys import artifact_key
from tasks.artifacts.portfolio_progress import ProjectProgress
from tasks.artifacts.portfolio_table import live_table, show_summary
from tasks.artifacts.progress import progress_artifact
from tasks.artifacts.run_logs import logs_on_the_run
from tasks.artifacts.run_page import name_run
from tasks.estimate_export import Budget
from tasks.exports.errors import ExportError, SettingRefused
from tasks.exports.portfolio import PortfolioProject, choose_projects
from tasks.exports.summary import OneOfMany, Summary
from tasks.share_rate_limit import rate_limit_shared
from tasks.watch_runs import run_watch

LOGGER: Final = logging.getLogger("botify_export.portfolio")
NO_PROJECTS: Final[list[PortfolioProject]] = []


class RunAs(StrEnum):
    """Where a project is exported: in the portfolio's own process, or by whichever worker takes it."""

    SUBFLOWS = "subflows"
    DEPLOYMENT = "deployment"


@flow(name="export-portfolio", flow_run_name="portfolio {group}")
async def export_portfolio(
    projects: list[PortfolioProject] = NO_PROJECTS,
    portfolio_file: str = "",
    group: str = "",
    run_as: RunAs = RunAs.SUBFLOWS,
    deployment: str = "export-crawl/on-demand",
    at_once: Annotated[int, Field(ge=1)] = 4,
    spread_minutes: Annotated[float, Field(ge=0)] = 0,
    max_credits: Annotated[int | None, Field(ge=0)] = None,
    only_new: bool = False,
    output_dir: str = "",
    credentials: str = "",
) -> Summary:
    """Export many projects, several at a time; run again, it goes on where it stopped.

    Args:
        projects: The projects. Many, or many of a team's, are better kept in a file.
        portfolio_file: A CSV or YAML file of projects instead: a path where this runs, or any address fsspec reads.
        group: Export only the projects of this schedule group.
        run_as: `subflows` exports in this run's own process; `deployment` as runs that any worker may take.
        deployment: With run_as `deployment`: the deployment of `export-crawl` to run.
        at_once: How many projects are under way at once.
        spread_minutes: Spread the beginnings evenly over this time.
        max_credits: The most that this run may pay for all projects together. They are counted first; in the order of
            the list, each that still fits is exported. A run that is tried again may pay as much again.
        only_new: Skip a project whose analysis was exported before; for schedules.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
        credentials: A Botify Credentials block for projects that name none. Empty: BOTIFY_API_TOKEN, else
            botify_token.txt.
    """
    if state := await ended_before_it_began():
        return cast(Summary, state)
    began = time.monotonic()
    given = {"only_new": only_new, "output_dir": output_dir, "credentials": credentials}
    try:
        with rate_limit_shared(), logs_on_the_run():
            chosen = await asyncio.to_thread(choose_projects, projects, portfolio_file, group)
            await name_run(f"portfolio {group} of {len(chosen):,} projects".replace("  ", " "))
            exports = [OneOfMany(project=str(project)) for project in chosen]
            async with _exporting(run_as, deployment) as exporting, _on_the_page(exports, group):
                budget = Budget(max_credits, output_dir, credentials)
                begins = _spread(len(chosen), timedelta(minutes=spread_minutes))
                asked = [
                    Asked(number, project, given | project.parameters(credentials), begin)
                    for number, (project, begin) in enumerate(zip(chosen, begins, strict=True))
                ]
                await _export_all(exports, asked, exporting, budget, at_once)
    except ExportError as error:
        return cast(Summary, failed(error))
    summary = handed_over(Summary(exports=tuple(exports), seconds=round(time.monotonic() - began, 1)))
    await show_summary(summary, summary.in_words("projects"), artifact_key("portfolio-summary", group, ""))
    return cast(Summary, ended_together(summary, "projects"))


@asynccontextmanager
async def _exporting(run_as: RunAs, deployment: str) -> AsyncIterator[Exporting]:
    """Choose how each project is exported. Raises SettingRefused for a deployment that cannot do it."""
    if run_as is RunAs.SUBFLOWS:
        yield as_subflow
    elif not deployment.startswith(f"{export_crawl.name}/"):
        raise SettingRefused(f"{deployment!r} is no deployment of {export_crawl.name}.", next_step="Name one that is.")
    else:
        async with run_watch(deployment, go_on=await stopped_runs_go_on()) as watch:
            yield by_deployment(deployment, watch)


@asynccontextmanager
async def _on_the_page(exports: list[OneOfMany], group: str) -> AsyncIterator[None]:
    """Show how far the exports are, until the end of the block."""
    words = f"{len(exports):,} projects" + (f" of the group {group}" if group else "")
    async with (
        progress_artifact(artifact_key("progress-portfolio", group, "")),
        live_table(exports, artifact_key("portfolio", group, ""), words),
    ):
        yield


def _spread(number: int, over: timedelta) -> list[datetime]:
    """Return when each may begin: the first now, the others evenly behind it."""
    now = datetime.now(UTC)
    return [now + over * position / number for position in range(number)]


async def _export_all(
    exports: list[OneOfMany], asked: list[Asked], exporting: Exporting, budget: Budget, at_once: int
) -> None:
    """Export all, several at a time. None is submitted to Prefect: that costs a thread and an event loop each."""
    room = asyncio.Semaphore(at_once)
    progress = ProjectProgress(len(exports))

    async def export(each: Asked) -> None:
        with progress.of_project(each.number, str(each.project)):
            try:
                allowed = await budget.admit(each.project)
            except Exception as error:  # noqa: BLE001  # one export's failure is never another's
                exports[each.number] = exports[each.number].failed(error)
            else:
                async with room:
                    await exporting(exports, each.within(allowed))
        LOGGER.info("%s", exports[each.number].in_words())

    # No gather: cancelled, it would not wait for those that are still ending.
    async with asyncio.TaskGroup() as all_of_them:
        for each in asked:
            all_of_them.create_task(export(each))
