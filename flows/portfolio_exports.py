"""How one project of a portfolio is exported: by a run within the portfolio's, or by a run of a deployment."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.runtime import flow_run

from flows.export_crawl import export_crawl
from flows.one_of_many import one_of_many
from tasks.artifacts.run_labels import read_run
from tasks.estimate_export import Estimate
from tasks.exports.errors import PrefectUnavailable
from tasks.exports.outcome import Outcome
from tasks.exports.portfolio import PortfolioProject
from tasks.exports.summary import ExportStatus, OneOfMany
from tasks.watch_runs import RunWatch

GO_ON: Final = "Run the portfolio again when the server answers: it goes on."
LOGGER = logging.getLogger("botify_export.portfolio")


@dataclass(frozen=True)
class Asked:
    """One export: its place in the list (from 0), the parameters of `export-crawl`, and when it may begin."""

    number: int
    project: PortfolioProject
    parameters: dict[str, Any]
    begin: datetime

    def within(self, estimate: Estimate | None) -> "Asked":
        """Return the export of what was estimated, and for no more than that; without an estimate, it is free."""
        if estimate is None:
            return self
        allowed = {"analysis": estimate.analysis, "max_credits": estimate.credits}
        return replace(self, parameters=self.parameters | allowed)


# Makes the export and keeps its place in the list up to date. Raises nothing but a cancellation.
Exporting = Callable[[list[OneOfMany], Asked], Awaitable[None]]


async def as_subflow(exports: list[OneOfMany], asked: Asked) -> None:
    """Export in this process."""
    await asyncio.sleep((asked.begin - datetime.now(UTC)).total_seconds())
    exports[asked.number] = exports[asked.number].now(ExportStatus.RUNNING)
    await one_of_many(exports, asked.number, _export_project(str(asked.project), asked.parameters))


# In a task of its own: where a portfolio's run is tried again, Prefect takes flows that were called side by side for
# each other, by the order in which they began; those that were called in tasks it does not.
@task(name="export-project", task_run_name="{project}", cache_policy=NO_CACHE, persist_result=False)
async def _export_project(project: str, parameters: dict[str, Any]) -> Outcome:
    outcome: Outcome = await export_crawl(**parameters)
    return outcome


def by_deployment(deployment: str, watch: RunWatch) -> Exporting:
    """Export wherever a worker takes the run of this deployment."""

    async def export(exports: list[OneOfMany], asked: Asked) -> None:
        def changed(run: FlowRun) -> None:
            exports[asked.number] = now = read_run(exports[asked.number], run)
            if now.status is ExportStatus.SCHEDULED and now.says:
                LOGGER.warning("%s", now.in_words())

        try:
            await watch.until_ended(await _run_of(deployment, asked), changed)
        except httpx.HTTPError as error:
            away = PrefectUnavailable(f"The Prefect server did not take the run: {error!r}.", next_step=GO_ON)
            exports[asked.number] = exports[asked.number].failed(away)
        except Exception as error:  # noqa: BLE001  # one export's failure is never another's
            exports[asked.number] = exports[asked.number].failed(error)

    return export


async def _run_of(deployment: str, asked: Asked) -> FlowRun:
    """Begin the run, unless an earlier attempt of this portfolio's run did, and that one has not ended badly."""
    what = hashlib.sha256(asked.project.model_dump_json().encode()).hexdigest()[:16]
    for attempt in count():
        run = await arun_deployment(
            deployment,
            parameters=asked.parameters,
            scheduled_time=asked.begin,
            timeout=0,
            idempotency_key=f"{flow_run.id}-{what}-{attempt}",
        )
        if run.state is None or not run.state.is_final() or run.state.is_completed():
            return run
    raise AssertionError("there is always another attempt")
