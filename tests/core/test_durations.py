"""How long exports took before, from the ledger's own histories."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upath import UPath

from deployments.sandbox import API_URL
from tasks.exports.errors import DataFolderUnusable
from tasks.exports.places import Places
from tasks.exports.request import Expectation, ExportRequest
from tasks.ledger.durations import Made, Usual, in_words, made_before, since_submitted, usual
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import Decision, Event, ExportRecord, State
from tests.bucket import Store
from tests.core.conversation import request

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.in_folder(tmp_path)


def of(rows: int, api: str = API_URL) -> ExportRequest:
    return request(api=api, analysis=f"202601{rows % 100:02}", expected=Expectation(rows=rows, urls_total=10**6))


def step(seconds: float, state: State, job_id: str | None = "7", note: str = "") -> Event:
    return Event(at=NOON + timedelta(seconds=seconds), state=state, job_id=job_id, note=note)


def record(request: ExportRequest, *history: Event) -> ExportRecord:
    last = history[-1]
    facts = {"state": last.state, "tag": "t", "intended_at": NOON, "job_id": last.job_id, "history": history}
    return ExportRecord(request=request, fingerprint=request.fingerprint, **facts)


def path_of(record: ExportRecord, data_dir: Path) -> UPath:
    return Places(data_dir).ledger / f"{record.fingerprint}.json"


def made(rows: int, seconds: float) -> Made:
    return Made(api=API_URL, rows=rows, seconds=seconds)


def test_a_job_took_from_its_submission_until_it_was_first_seen_done(ledger: Ledger) -> None:
    """A later look, when the files were fetched again, says nothing about Botify."""
    steps = (step(-1, State.INTENT, None), step(0, State.SUBMITTED), step(90, State.DONE), step(99, State.PUBLISHED))
    ledger.write(record(of(1000), *steps, step(5000, State.DONE)))
    assert made_before(ledger) == (made(1000, 90),)


def test_a_refresh_is_a_job_of_its_own(ledger: Ledger) -> None:
    """One record, two jobs, each from its own submission."""
    first = (step(0, State.SUBMITTED), step(60, State.DONE))
    second = (step(1000, State.SUBMITTED, "8"), step(1200, State.DONE, "8"))
    ledger.write(record(of(1000), *first, *second))
    assert made_before(ledger) == (made(1000, 60), made(1000, 200))


def test_what_was_not_seen_from_beginning_to_end_is_left_out(ledger: Ledger, tmp_path: Path) -> None:
    """Running, failed and adopted jobs, and records that cannot be read."""
    ledger.write(record(of(1), step(0, State.SUBMITTED)))
    ledger.write(record(of(2), step(0, State.SUBMITTED), step(9, State.FAILED)))
    ledger.write(record(of(3), step(0, State.SUBMITTED, note=Decision.ADOPTED), step(9, State.DONE)))
    ledger.write(record(of(4), step(0, State.INTENT, None)))
    damaged = ledger.write(record(of(5), step(0, State.SUBMITTED), step(9, State.DONE)))
    path_of(damaged, tmp_path).write_text("{")
    assert made_before(ledger) == ()


def test_only_exports_of_about_the_size_count() -> None:
    """Within a factor of three, both ways; the median, which one slow night does not move."""
    sizes = [made(333, 1), made(334, 10), made(1000, 20), made(3000, 9000), made(3001, 1)]
    assert usual(sizes, of(1000)) == Usual(seconds=20, exports=3)
    assert usual([made(1000, 10), made(1000, 30)], of(1000)) == Usual(seconds=20, exports=2)


def test_where_nothing_is_known_nothing_is_said() -> None:
    """No history, none of about this size, and none of the same Botify."""
    assert usual([], of(1000)) is None
    assert usual([made(10, 5)], of(1000)) is None
    assert usual([made(1000, 5)], of(1000, api="https://elsewhere.example/v1")) is None


def test_a_job_runs_since_it_was_submitted_whoever_waits_for_it() -> None:
    """Not since this run began to look."""
    known = record(of(1), step(0, State.SUBMITTED, "6"), step(100, State.SUBMITTED, "7"))
    assert since_submitted(known, "7", NOON + timedelta(seconds=160)) == 60
    assert since_submitted(known, "7", NOON) == 0
    assert since_submitted(known, "8", NOON) == 0
    assert since_submitted(None, "7", NOON) == 0


def test_a_ledger_that_cannot_be_read_is_an_error(ledger: Ledger, tmp_path: Path) -> None:
    """It is for the caller to say whether it matters."""
    written = ledger.write(record(of(1), step(0, State.SUBMITTED)))
    path_of(written, tmp_path).write_text('{"version": 2}')
    with pytest.raises(DataFolderUnusable):
        made_before(ledger)


def test_however_many_exports_a_bucket_knows_few_are_read(bucket: UPath, store: Store) -> None:
    """Each is a request, and every run asks: these are words only."""
    ledger = Ledger.in_folder(bucket)
    for number in range(150):
        written = record(of(number), step(0, State.SUBMITTED), step(9, State.DONE))
        ledger.write(written.model_copy(update={"fingerprint": f"{number:064}"}))
    store.requests.clear()
    assert len(made_before(ledger)) == 100
    assert len({path for _, path in store.requests if path.endswith(".json")}) == 100


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.01, "0 s"),
        (0.31, "0.3 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_a_duration_is_said_in_two_units(seconds: float, words: str) -> None:
    """As people say it."""
    assert in_words(seconds) == words


def test_one_export_and_several_are_told_apart() -> None:
    """One has no median."""
    assert Usual(125, 1).in_words() == "an earlier export of about this size took 2 min 5 s"
    assert Usual(125, 4).in_words() == "4 earlier exports of about this size took 2 min 5 s (median)"
