"""Finding, in Botify's list of jobs, the job whose answer was lost (botify-api.md §5.3)."""

from datetime import timedelta
from typing import Final

from pydantic import JsonValue

from tasks.botify.client import BotifyClient
from tasks.botify.jobs import Job, list_jobs
from tasks.ledger.record import ExportRecord, tag_prefix

# Botify's clock and ours are not the same clock.
CLOCK_SKEW: Final = timedelta(minutes=15)


async def find_jobs(client: BotifyClient, record: ExportRecord) -> list[Job]:
    """Return the listed jobs that the record's submission made, oldest first: usually one, or none.

    Raises BotifyRefused, BotifyUnavailable.
    """
    found: dict[str, Job] = {}
    newest_first = True
    since = record.intended_at - CLOCK_SKEW
    previous: Job | None = None
    async for page in list_jobs(client, record.request.project):
        for job in page:
            newest_first = newest_first and _not_newer(job, previous)
            previous = job
            if _is_ours(job, record):
                found[job.job_id] = job
        # The order is undocumented: the pages behind are skipped only where the order showed itself.
        if newest_first and previous and previous.date_created and previous.date_created < since:
            break
    return sorted(found.values(), key=_by_age)


def _by_age(job: Job) -> tuple[bool, float, str]:
    created = job.date_created
    return created is None, created.timestamp() if created else 0.0, job.job_id


def _not_newer(job: Job, previous: Job | None) -> bool:
    if previous is None:
        return job.date_created is not None
    return bool(job.date_created and previous.date_created and job.date_created <= previous.date_created)


def _is_ours(job: Job, record: ExportRecord) -> bool:
    if job.has_failed or job.job_id in record.known_jobs:
        return False
    if name := job.payload.get("export_job_name"):
        # Names come back, so a name that is not ours tells another job, however alike.
        if record.tag is None:
            return isinstance(name, str) and name.startswith(tag_prefix(record.fingerprint))
        return name == record.tag
    recent = job.date_created is None or job.date_created >= record.intended_at - CLOCK_SKEW
    return recent and is_within(_comparable(record.request.payload(), job.payload), job.payload)


def _comparable(ours: dict[str, JsonValue], theirs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out what Botify may not echo: who and where (§4.3)."""
    return {key: value for key, value in ours.items() if key in theirs or key not in ("username", "project")}


def is_within(ours: JsonValue, theirs: JsonValue) -> bool:
    """Tell whether `theirs` says all that `ours` says: the server fills in defaults and reorders keys (§4.3)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(key in theirs and is_within(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(is_within, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs
