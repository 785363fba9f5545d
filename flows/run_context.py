"""What surrounds every run: its progress and log on its page, its results in the data folder, its delivery."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.utilities.urls import url_for

from tasks.artifacts.keys import artifact_key
from tasks.artifacts.progress import Step, progress_artifact, show
from tasks.artifacts.run_logs import leave_out_tracebacks, logs_on_the_run
from tasks.artifacts.run_page import announce
from tasks.artifacts.task_results import task_results_in
from tasks.exports.errors import ExportError
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places

Result = TypeVar("Result")

_deliveries: ContextVar[list[Any] | None] = ContextVar("deliveries", default=None)

leave_out_tracebacks()


@asynccontextmanager
async def reported(org: str, project: str, places: Places) -> AsyncIterator[None]:
    """Show the run's progress and log on its page, and keep its tasks' results in the data folder."""
    with logs_on_the_run(), task_results_in(places.task_results):
        async with progress_artifact(artifact_key("progress", org, project)):
            try:
                yield
            except ExportError as error:
                announce("failed", org, project, error=type(error).__name__, message=str(error))
                raise
            show(Step.FINISHED, "Finished")


def delivered(outcome: Outcome) -> Outcome:
    """Name the run in its outcome; from here on, nothing that the Prefect server does can undo it."""
    page = url_for("flow-run", flow_run.id) if PREFECT_API_URL.value() else None  # a temporary server has no pages
    return handed_over(outcome.model_copy(update={"flow_run_id": flow_run.id, "flow_run_url": page}))


def handed_over(result: Result) -> Result:
    """Give a run's result to whoever collects deliveries, before Prefect records that the run ended."""
    if (listening := _deliveries.get()) is not None:
        listening.append(result)
    return result


@contextmanager
def deliveries() -> Iterator[list[Any]]:
    """Collect what the flows inside deliver, also when Prefect cannot record it any more."""
    results: list[Any] = []
    token = _deliveries.set(results)
    try:
        yield results
    finally:
        _deliveries.reset(token)
