"""How long exports took before: all that can honestly be said of a job of which Botify gives no percentage.

Botify's own times are not documented (botify-api.md §5.2), so they are those at which our runs saw a job:
submitted, and done. A run that was interrupted in between saw it done later than it was; a median bears that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from statistics import median
from typing import Final

from tasks.exports.request import ExportRequest
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import Decision, Event, ExportRecord, State

# In a bucket each is a request. They come by fingerprint, in no order: these are as good a sample as any.
_MOST_RECORDS: Final = 100
_ABOUT: Final = 3


@dataclass(frozen=True)
class Made:
    """A job that Botify made: the rows that it was counted to have, and its seconds from submitted to seen done."""

    api: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class Usual:
    """How long so many jobs of about one size took: the median of their seconds."""

    seconds: float
    exports: int

    def in_words(self) -> str:
        if self.exports == 1:
            return f"an earlier export of about this size took {in_words(self.seconds)}"
        return f"{self.exports} earlier exports of about this size took {in_words(self.seconds)} (median)"


def made_before(ledger: Ledger) -> tuple[Made, ...]:
    """Return the jobs that the ledger's histories show from their submission to their end. Raises DataFolderUnusable.

    Left out are adopted jobs, of which nobody saw the beginning.
    """
    records = (record for record in islice(ledger.all(), _MOST_RECORDS) if isinstance(record, ExportRecord))
    return tuple(made for record in records for made in _made(record))


def usual(made: Sequence[Made], request: ExportRequest) -> Usual | None:
    """Return how long exports took whose rows are within a factor of three of the request's; None if there are none."""
    rows = request.expected.rows
    seconds = [
        each.seconds
        for each in made
        if each.api == request.api and each.rows <= _ABOUT * rows and rows <= _ABOUT * each.rows
    ]
    return Usual(seconds=median(seconds), exports=len(seconds)) if seconds else None


def since_submitted(record: ExportRecord | None, job_id: str, now: datetime) -> float:
    """Return the seconds since the job came to be known; 0 where nothing is known, or the clock was set back."""
    submitted = _submissions(record.history if record else ()).get(job_id)
    return max((now - submitted.at).total_seconds(), 0.0) if submitted else 0.0


def in_words(seconds: float) -> str:
    """Say a duration as people do: with its two largest units."""
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def _made(record: ExportRecord) -> Iterator[Made]:
    for job_id, submitted in _submissions(record.history).items():
        if submitted.note == Decision.ADOPTED:
            continue
        ends = (event.at for event in record.history if event.state is State.DONE and event.job_id == job_id)
        seconds = (next(ends, submitted.at) - submitted.at).total_seconds()
        if seconds > 0:
            yield Made(api=record.request.api, rows=record.request.expected.rows, seconds=seconds)


def _submissions(history: Iterable[Event]) -> dict[str, Event]:
    return {event.job_id: event for event in history if event.state is State.SUBMITTED and event.job_id}
