"""What was paid, what is still to be paid, and the limit that the user sets (botify-api.md §7.1)."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tasks.exports.errors import CreditsExceeded
from tasks.exports.request import Expectation, ExportRequest
from tasks.ledger.credits import Spent, credits_by_day, refuse_beyond, still_to_pay
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import Event, ExportRecord, State
from tests.core.conversation import request

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
ROWS = 494


def made(asked: ExportRequest, *jobs: tuple[str, date, State]) -> ExportRecord:
    """The record of an export with these jobs, each made on a day, and what became of it past midnight."""
    history = tuple(
        Event(at=datetime(day.year, day.month, day.day, 23, tzinfo=UTC) + later, state=state, job_id=job_id)
        for job_id, day, end in jobs
        for later, state in ((timedelta(0), State.SUBMITTED), (timedelta(hours=2), end))
    )
    record = ExportRecord.intent(asked, None)
    return record.model_copy(update={"history": history, "state": jobs[-1][2], "job_id": jobs[-1][0]})


def project(name: str, rows: int) -> ExportRequest:
    return request(project=name, expected=Expectation(rows=rows, urls_total=3811))


def spent(day: date, name: str, jobs: int, credits_: int) -> Spent:
    return Spent(day=day, org="sandbox", project=name, jobs=jobs, credits=credits_)


def test_credits_are_added_up_by_day_and_project_the_newest_day_first() -> None:
    """The rows that were counted, on the day (UTC) that the job was made."""
    records = [
        made(project("one", 10), ("1", MONDAY, State.PUBLISHED)),
        made(project("one", 200), ("2", MONDAY, State.MERGED)),
        made(project("one", 3000), ("3", TUESDAY, State.DONE)),
        made(project("two", 40_000), ("4", MONDAY, State.GONE)),
    ]
    assert credits_by_day(records) == [
        spent(TUESDAY, "one", 1, 3000),
        spent(MONDAY, "two", 1, 40_000),
        spent(MONDAY, "one", 2, 210),
    ]


def test_a_refresh_and_a_job_that_failed_were_paid_for_as_well() -> None:
    """Three jobs of one export, over two days; each once, however many steps it went through."""
    jobs = [("1", MONDAY, State.FAILED), ("2", MONDAY, State.PUBLISHED), ("3", TUESDAY, State.PUBLISHED)]
    assert credits_by_day([made(project("one", 10), *jobs)]) == [
        spent(TUESDAY, "one", 1, 10),
        spent(MONDAY, "one", 2, 20),
    ]


def test_what_has_no_job_was_not_paid_for() -> None:
    """An intent, and one that Botify refused."""
    intent = ExportRecord.intent(request(), None)
    assert credits_by_day([intent, intent.now(State.WITHDRAWN, "refused")]) == []


def in_state(state: State | None, *, generation: int = 1, job_id: str | None = "7") -> Ledger:
    """A ledger with the export in this state; None: it was never begun."""
    ledger = Ledger.in_folder(Path("data"))
    if state:
        record = ExportRecord.intent(request(), None).model_copy(update={"generation": generation})
        ledger.write(record.now(state, job_id=job_id))
    return ledger


@pytest.mark.parametrize(
    ("state", "job_id", "to_pay"),
    [
        (None, None, ROWS),
        (State.INTENT, None, ROWS),
        (State.AMBIGUOUS, None, ROWS),
        (State.SUBMITTED, "7", 0),
        (State.DONE, "7", 0),
        (State.DOWNLOADED, "7", 0),
        (State.PUBLISHED, "7", 0),
        (State.MERGED, "7", 0),
        (State.GONE, "7", 0),
        (State.FAILED, "7", ROWS),
        (State.WITHDRAWN, None, ROWS),
    ],
)
def test_a_job_that_is_there_is_not_paid_for_again(state: State | None, job_id: str | None, to_pay: int) -> None:
    """A lost answer counts as still to be paid: the job may have to be made."""
    assert still_to_pay(in_state(state, job_id=job_id), request()) == to_pay


@pytest.mark.parametrize("state", [None, *State])
def test_a_refresh_is_paid_for_whatever_there_is(state: State | None) -> None:
    """That is what it is for."""
    assert still_to_pay(in_state(state), request(), refresh=True) == ROWS


@pytest.mark.parametrize("state", [State.SUBMITTED, State.DONE, State.DOWNLOADED])
def test_a_refresh_that_is_under_way_has_its_job(state: State) -> None:
    """The same command again goes on with it, and so pays nothing."""
    assert still_to_pay(in_state(state, generation=2), request(), refresh=True) == 0


def test_a_refresh_whose_job_is_not_known_is_still_to_be_paid() -> None:
    """Its answer was lost, or the process died before the POST."""
    assert still_to_pay(in_state(State.INTENT, generation=2, job_id=None), request(), refresh=True) == ROWS


@pytest.mark.parametrize(("max_credits", "to_pay"), [(None, 10**9), (1000, 1000), (1000, 0), (0, 0)])
def test_what_is_allowed_is_allowed(max_credits: int | None, to_pay: int) -> None:
    """The limit itself included; no limit allows all."""
    refuse_beyond(max_credits, to_pay, 10**9)


@pytest.mark.parametrize(
    ("max_credits", "to_pay", "in_all", "words"),
    [
        (1000, 1001, 1001, "This would cost 1,001 credits, more than --max-credits 1,000."),
        (0, 1, 3811, "Of 3,811 credits 1 are still to be paid, more than --max-credits 0."),
    ],
)
def test_more_is_refused_with_both_numbers(max_credits: int, to_pay: int, in_all: int, words: str) -> None:
    """Exit code 2: nothing was paid."""
    with pytest.raises(CreditsExceeded) as refusal:
        refuse_beyond(max_credits, to_pay, in_all)
    assert str(refusal.value) == words
    assert refusal.value.exit_code == 2
