"""What was paid, and what is still to be paid: a credit a row, when a job is made (botify-api.md §7.1).

Whether Botify charges for a job that FAILED is not known, so it counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict

from tasks.exports.errors import CreditsExceeded
from tasks.exports.request import ExportRequest
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State


class Spent(BaseModel):
    """The credits of one project on one day (UTC), by the rows counted before each job."""

    model_config = ConfigDict(frozen=True)

    day: date
    org: str
    project: str
    jobs: int
    credits: int


def credits_by_day(records: Iterable[ExportRecord]) -> list[Spent]:
    """Add up the jobs that the records know, the newest day first."""
    jobs: Counter[tuple[date, str, str]] = Counter()
    rows: Counter[tuple[date, str, str]] = Counter()
    for record in records:
        made = {event.job_id: event.at.date() for event in record.history if event.state is State.SUBMITTED}
        for day in made.values():
            key = (day, record.request.org, record.request.project)
            jobs[key] += 1
            rows[key] += record.request.expected.rows
    return [
        Spent(day=day, org=org, project=project, jobs=number, credits=rows[day, org, project])
        for (day, org, project), number in sorted(jobs.items(), reverse=True)
    ]


@dataclass
class Paid:
    """The credits of the jobs that were new to the ledger while it was counted."""

    credits: int = 0


_counted: ContextVar[tuple[Paid, ...]] = ContextVar("paid", default=())


@contextmanager
def counting_credits() -> Iterator[Paid]:
    """Count what is paid inside, and nothing that others pay meanwhile, whether in this process or not."""
    paid = Paid()
    token = _counted.set((*_counted.get(), paid))
    try:
        yield paid
    finally:
        _counted.reset(token)


def count_credits(rows: int) -> None:
    """Tell all who count that a job of so many rows was made."""
    for paid in _counted.get():
        paid.credits += rows


def still_to_pay(ledger: Ledger, request: ExportRequest, *, refresh: bool = False) -> int:
    """Return the credits of the job that is still to be made; 0 when there is one.

    A job that may exist, but whose answer was lost, counts as still to be made; a refresh that is under way goes on.
    """
    record = ledger.find(request)
    if record is None or record.job_id is None or record.state.has_no_job:
        return request.expected.rows
    return request.expected.rows if refresh and not record.is_refresh_under_way else 0


def refuse_beyond(max_credits: int | None, to_pay: int, in_all: int) -> None:
    """Raise CreditsExceeded when more is still to be paid than was allowed."""
    if max_credits is None or to_pay <= max_credits:
        return
    cost = f"This would cost {to_pay:,} credits"
    if to_pay < in_all:
        cost = f"Of {in_all:,} credits {to_pay:,} are still to be paid"
    raise CreditsExceeded(f"{cost}, more than --max-credits {max_credits:,}.")
