"""The flow: from a Botify project URL to checked files."""

import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.utilities.urls import url_for
from pydantic import Field

from tasks.artifacts.keys import artifact_key
from tasks.artifacts.progress import Step, progress_artifact, show
from tasks.artifacts.run_logs import leave_out_tracebacks, logs_on_the_run
from tasks.artifacts.task_results import task_results_in
from tasks.botify.fields import DEFAULT_FIELDS
from tasks.calculate_depth import calculate_depth
from tasks.choose_columns import choose_columns
from tasks.download_and_unpack import download_and_unpack
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.project_address import ProjectAddress
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.ledger.lock import export_lock
from tasks.parse_project_url import parse_project_url
from tasks.poll_job import poll_job
from tasks.publish_files import find_published_files, publish_files
from tasks.select_analysis import select_analysis
from tasks.submit_job import submit_job

LOGGER = logging.getLogger("botify_export")
FIELDS = list(DEFAULT_FIELDS)

_deliveries: ContextVar[list[Outcome] | None] = ContextVar("deliveries", default=None)

leave_out_tracebacks()


@flow(name="export-crawl")
async def export_crawl(
    project_url: str,
    analysis: str | None = None,
    fields: list[str] = FIELDS,
    max_rows: Annotated[int, Field(ge=1)] = 1_000_000,
    max_depth: Annotated[int | None, Field(ge=0)] = None,
    output_dir: str | None = None,
    refresh: bool = False,
) -> Outcome:
    """Deliver a Botify crawl's pages as checked CSV and Parquet files.

    Args:
        project_url: The project's address, as the browser shows it.
        analysis: Which crawl: `latest`, or a slug such as 20260131. Empty: the one in the address, else the latest.
        fields: The columns beside `url`: depth, http_code, title, meta_description, h1, or any field's id.
        max_rows: The most rows, which are credits; the depth is chosen so that they are never exceeded.
        max_depth: The deepest depth wanted, if shallower than the limit would allow.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
        refresh: Make, and pay for, a new export although there is one.
    """
    data_dir = Settings.load(output_dir).with_token().data_dir
    address = await parse_project_url(project_url)
    async with reported(address, data_dir):
        selected = await select_analysis(address, analysis)
        plan = await calculate_depth(address, selected.slug, max_rows, max_depth)
        LOGGER.info("%s", plan.in_words())
        request = await choose_columns(address, selected.slug, plan, fields)
        async with alone(request, data_dir):
            if published := await find_published_files(request, data_dir, refresh=refresh):
                return delivered(published)
            job = await submit_job(request, data_dir, refresh=refresh)
            await poll_job(request, job.job_id, data_dir)
            download = await download_and_unpack(request, job.job_id, data_dir)
            return delivered(await publish_files(request, job, download, data_dir))


@asynccontextmanager
async def reported(address: ProjectAddress, data_dir: Path) -> AsyncIterator[None]:
    """Show the run's progress and log on its page, and keep its tasks' results in the data folder."""
    key = artifact_key("progress", address.org, address.project)
    with logs_on_the_run(), task_results_in(Places(data_dir).task_results):
        async with progress_artifact(key):
            yield
            show(Step.FINISHED, "Finished")


@asynccontextmanager
async def alone(request: ExportRequest, data_dir: Path) -> AsyncIterator[None]:
    """Be the only one at this export; whoever comes second waits, says for whom, and finds the work done."""

    def waiting(holder: str) -> None:
        LOGGER.warning("This export is being made by %s: waiting for it.", holder)
        show(Step.COLUMNS, f"Waiting for {holder}, which is making this export")

    holder = f"process {os.getpid()} on {socket.gethostname()}, run {flow_run.name}"
    async with export_lock(Places(data_dir).lock(request), holder, waiting):
        yield


def delivered(outcome: Outcome) -> Outcome:
    """Name the run in its outcome; from here on, nothing that the Prefect server does can undo it."""
    page = url_for("flow-run", flow_run.id) if PREFECT_API_URL.value() else None  # a temporary server has no pages
    outcome = outcome.model_copy(update={"flow_run_id": flow_run.id, "flow_run_url": page})
    if (listening := _deliveries.get()) is not None:
        listening.append(outcome)
    return outcome


@contextmanager
def deliveries() -> Iterator[list[Outcome]]:
    """Collect what the flows inside deliver, also when Prefect cannot record it any more."""
    outcomes: list[Outcome] = []
    token = _deliveries.set(outcomes)
    try:
        yield outcomes
    finally:
        _deliveries.reset(token)
