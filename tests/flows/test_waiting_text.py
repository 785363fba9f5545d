"""What is said while Botify makes a file: what was seen, and how long such exports took before."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from flows.export_crawl import export_crawl
from tasks.artifacts.progress import Progress, Step, watching
from tasks.artifacts.waiting_text import Wait
from tasks.botify.waiting import Look
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.request import Expectation
from tasks.ledger.durations import Usual
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tests.core.conversation import request
from tests.served import BOOST_URL, Serve

pytestmark = pytest.mark.anyio


async def export(tmp_path: Path) -> Outcome:
    """Run the flow: 494 URLs to depth 2."""
    outcome: Outcome = await export_crawl(BOOST_URL, max_rows=1000, output_dir=str(tmp_path / "data"))
    return outcome


async def test_progress_moves_forward_and_invents_nothing(serve: Serve, tmp_path: Path) -> None:
    """While Botify works, the words are what was seen; the bar stays within its step."""
    serve(job_seconds=1)
    seen: list[Progress] = []
    with watching(seen.append):
        await export(tmp_path)
    percents = [each.percent for each in seen]
    assert percents == sorted(percents)
    waiting = [each for each in seen if each.text.startswith("Waiting for Botify: ")]
    assert waiting
    words = r"Waiting for Botify: [A-Z]+, [\d.]+ s after it was submitted; \d+ looks?, the next in [\d.]+ s"
    assert all(re.fullmatch(words, each.text) for each in waiting)
    assert all(Step.POLL.value <= each.percent < Step.DOWNLOAD.value for each in waiting)


async def test_a_wait_tells_how_long_such_exports_took_before(serve: Serve, tmp_path: Path) -> None:
    """From the ledger of this data folder, and only those of about the size."""
    served = serve(job_seconds=1)
    ledger = Ledger.in_folder(tmp_path / "data")
    for rows, seconds in ((400, 60), (1400, 240), (50_000, 9000)):
        remember(ledger, served.addresses.api_url, rows, seconds)
    seen: list[Progress] = []
    with watching(seen.append):
        await export(tmp_path)
    waiting = [each.text for each in seen if each.text.startswith("Waiting for Botify: ")]
    assert waiting
    assert all(text.endswith("; 2 earlier exports of about this size took 2 min 30 s (median)") for text in waiting)


def remember(ledger: Ledger, api: str, rows: int, seconds: float) -> None:
    """Write the history of an export that another run made."""
    asked = request(api=api, analysis=f"2020{rows}", expected=Expectation(rows=rows, urls_total=10**6))
    record = ExportRecord.intent(asked, None).now(State.SUBMITTED, "submitted", job_id="1")
    submitted = record.history[-1]
    done = submitted.model_copy(update={"state": State.DONE, "at": submitted.at + timedelta(seconds=seconds)})
    ledger.write(record.model_copy(update={"state": State.DONE, "history": (*record.history, done)}))


async def test_a_ledger_that_a_newer_version_wrote_costs_only_the_words(serve: Serve, tmp_path: Path) -> None:
    """An export waits all the same."""
    serve(job_seconds=1)
    folder = Places(tmp_path / "data").ledger
    folder.mkdir(parents=True)
    (folder / "someone-else.json").write_text('{"version": 99}')
    seen: list[Progress] = []
    with watching(seen.append):
        assert (await export(tmp_path)).rows == 494
    assert any(each.text.startswith("Waiting for Botify: ") for each in seen)


def test_a_look_is_told_with_all_that_is_known() -> None:
    """Since the job was submitted, which may be longer than this run waits."""
    look = Look(number=12, status="PROCESSING", elapsed=35, next_in=30)
    alone = "PROCESSING, 35 s after it was submitted; 12 looks, the next in 30 s"
    assert Wait().in_words(look) == alone
    resumed = Wait(waited_before=3600, usual=Usual(seconds=240, exports=1))
    assert resumed.in_words(look.model_copy(update={"number": 1})) == (
        "PROCESSING, 1 h after it was submitted; 1 look, the next in 30 s; "
        "an earlier export of about this size took 4 min"
    )


def test_the_bar_of_a_wait_is_half_full_when_it_is_usual_and_never_full() -> None:
    """Botify says nothing of how far it is."""
    look = Look(number=1, status="PROCESSING", elapsed=240, next_in=30)
    assert Wait(usual=Usual(seconds=240, exports=3)).part(look) == 0.5
    assert Wait(waited_before=10**7).part(look) < 1
