"""Step 5: waiting until Botify has made the file."""

from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from tasks.artifacts.progress import Step, show
from tasks.botify.client import BotifyClient
from tasks.botify.job_board import JobBoard
from tasks.botify.jobs import Job
from tasks.botify.waiting import Look, failure_of, wait_for_job
from tasks.exports.errors import ExportError, FileGone
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.ledger import record
from tasks.ledger.ledger import Ledger


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
async def poll_job(request: ExportRequest, job_id: str, data_dir: Path, board: JobBoard | None = None) -> None:
    """Wait until the job is done, together with the other jobs on the board.

    Raises JobFailed, JobStillRunning, FileGone, BotifyRefused.
    """
    ledger = Ledger.in_folder(data_dir)
    async with BotifyClient(Settings.load(data_dir)) as client:
        try:
            job = await wait_for_job(client, job_id, _show_look, board)
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


def _show_look(look: Look) -> None:
    # Botify reports no percentage, so the bar moves only as the waiting becomes unusual: it invents none.
    show(Step.POLL, f"Waiting for Botify: {look.in_words()}", part=look.elapsed / (look.elapsed + 120))
