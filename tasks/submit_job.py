"""Step 4: the export gets its job, one and no more."""

from typing import Any

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from tasks.artifacts.progress import Step, show
from tasks.artifacts.run_page import announce
from tasks.botify.client import BotifyClient
from tasks.exports.cache_key import cache_key
from tasks.exports.outcome import JobUsed
from tasks.exports.places import Places
from tasks.exports.request import ExportRequest
from tasks.exports.settings import Settings
from tasks.ledger.credits import count_credits
from tasks.ledger.ledger import Ledger
from tasks.ledger.lock import Hold
from tasks.ledger.record import Decision
from tasks.ledger.submission import Submission


async def submit_job(request: ExportRequest, places: Places, hold: Hold, *, refresh: bool) -> JobUsed:
    """Return the export's job: the one it has, else a new one. Raises BotifyRefused, NotFinished.

    The cached result is the fast path only: the ledger decides whether a job may be made at all.
    """
    show(Step.SUBMIT, "Submitting the export job")
    # Prefect's overloads forget that an asynchronous task is awaited for its state, too.
    state: State[JobUsed] = await _submit(request, places, hold, refresh, return_state=True)  # type: ignore[misc]
    job = await state.aresult()
    if state.name == "Cached":
        return job.model_copy(update={"decision": Decision.RECONNECTED})
    if Decision(job.decision).is_of_a_new_job:
        count_credits(request.expected.rows)
    announce(job.decision, request.org, request.project, job_id=job.job_id, rows=request.expected.rows)
    return job


def _key(_: TaskRunContext, asked: dict[str, Any]) -> str | None:
    """A key per submission: a cached job is believed only while the ledger knows no better."""
    request: ExportRequest = asked["request"]
    record = Ledger.in_folder(asked["places"].data_dir).find(request)
    if asked["refresh"] or (record and (record.job_id is None or record.state.has_no_job)):
        return None
    return cache_key("submit-job", 1, request.fingerprint, record.job_id if record else None)


# No retries: a POST that may have arrived is never simply sent again.
@task(name="submit-job", cache_policy=CacheKeyFnPolicy(cache_key_fn=_key), result_serializer="json", retries=0)
async def _submit(request: ExportRequest, places: Places, hold: Hold, refresh: bool) -> JobUsed:
    async with BotifyClient(Settings.load()) as client:
        record = await Submission(client, Ledger.in_folder(places.data_dir), request, hold).job(refresh=refresh)
    assert record.job_id is not None
    assert record.decision is not None
    return JobUsed(job_id=record.job_id, decision=record.decision)
