"""Step 5: waiting until Botify has made the file."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from upath import UPath

from tasks.artifacts.progress import Step, show
from tasks.artifacts.waiting_text import Wait
from tasks.botify.client import BotifyClient
from tasks.botify.jobs import Job
from tasks.botify.shared_client import shared_client
from tasks.botify.waiting import Look, failure_of, wait_for_job
from tasks.exports.errors import ExportError, FileGone
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.ledger import record
from tasks.ledger.durations import Made, made_before, since_submitted, usual
from tasks.ledger.ledger import Ledger

LOGGER = logging.getLogger("botify_export")

# The jobs of a site are polled by the thousand: all that begin within this time share one reading of the ledger.
SAMPLE_SECONDS: Final = 600


async def _is_unexpected(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    """Retry what nobody foresaw; an ExportError has been through its own retries."""
    return not isinstance(await state.aresult(raise_on_failure=False), ExportError)


# One task run per job, never one per look: a retry of a task costs the server 13 KB. Never cached: a status is
# true for a moment. Prefect's retries are the outer net around the waiting.
@task(
    name="poll-job",
    task_run_name="poll-job-{job_id}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=_is_unexpected,
)
async def poll_job(request: ExportRequest, job_id: str, places: Places) -> None:
    """Wait until the job is done, together with the project's other jobs.

    Raises JobFailed, JobStillRunning, FileGone, BotifyRefused.
    """
    ledger = Ledger.in_folder(places.data_dir)
    wait = await asyncio.to_thread(_wait, request, job_id, places)

    def show_look(look: Look) -> None:
        show(Step.POLL, f"Waiting for Botify: {wait.in_words(look)}", wait.part(look))

    async with shared_client(Settings.load()) as client:
        try:
            job = await wait_for_job(client, request.project, job_id, show_look)
        except FileGone as gone:
            ledger.advance(request, record.State.GONE, job_id, str(gone))
            raise
        if job.has_failed:
            raise await _failed(client, ledger, request, job)
    ledger.advance(request, record.State.DONE, job_id)


async def _failed(client: BotifyClient, ledger: Ledger, request: ExportRequest, job: Job) -> ExportError:
    failure = await failure_of(client, request, job)
    ledger.advance(request, record.State.FAILED, job.job_id, str(failure))
    return failure


def _wait(request: ExportRequest, job_id: str, places: Places) -> Wait:
    try:
        known = Ledger.in_folder(places.data_dir).find(request)
        made = _made_before(places.data_dir, int(time.monotonic() // SAMPLE_SECONDS))
    except Exception as error:  # noqa: BLE001  # these are words only: what breaks them must not break the wait
        LOGGER.debug("How long exports took before is not known: %r", error)
        return Wait()
    return Wait(since_submitted(known, job_id, datetime.now(UTC)), usual(made, request))


@lru_cache(maxsize=1)
def _made_before(data_dir: UPath, _sample: int) -> tuple[Made, ...]:
    return made_before(Ledger.in_folder(data_dir))
