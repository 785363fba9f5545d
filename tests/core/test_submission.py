"""At most one job per export, whatever the network does (botify-api.md §5.3, §7.4, §8.9)."""

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.sandbox import Route, Sandbox, read_fault
from tasks.exports.errors import AccessDenied, BotifyUnavailable, RequestRefused, SubmissionUnknown
from tasks.exports.request import ExportRequest
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import Decision, ExportRecord, State
from tasks.ledger.submission import Submission
from tests.core.conversation import client_of, request, requests_to, sandbox

pytestmark = pytest.mark.anyio

DATA = Path("data")


async def submitted(
    botify: Sandbox, *, asked: ExportRequest | None = None, refresh: bool = False, **settings: object
) -> ExportRecord:
    """Bring an export to its job, as one run does."""
    async with client_of(botify, **settings) as client:
        return await Submission(client, Ledger.in_folder(DATA), asked or request()).job(refresh=refresh)


def recorded(asked: ExportRequest | None = None) -> ExportRecord:
    """The export's record as it stands on the disk."""
    record = Ledger.in_folder(DATA).find(asked or request())
    assert record is not None
    return record


def forget_the_answer() -> None:
    """Put the ledger where a process that died between the POST and its answer leaves it."""
    ledger, record = Ledger.in_folder(DATA), recorded()
    ledger.write(record.model_copy(update={"state": State.INTENT, "job_id": None, "history": record.history[:1]}))


async def test_an_export_gets_one_job_and_the_record_of_it() -> None:
    """The normal case; the tag in Botify's own list is the record's."""
    botify = sandbox()
    record = await submitted(botify)
    assert (record.job_id, record.decision, record.state) == ("1001", Decision.SUBMITTED, State.SUBMITTED)
    assert recorded() == record
    assert [job.payload.export_job_name for job in botify.jobs] == [record.tag]


async def test_a_second_run_reconnects() -> None:
    """Nothing is sent at all: the ledger knows the job."""
    botify = sandbox()
    await submitted(botify)
    seen = len(botify.requests)
    record = await submitted(botify)
    assert (record.job_id, record.decision) == ("1001", Decision.RECONNECTED)
    assert len(botify.requests) == seen


@pytest.mark.parametrize(
    "fault", ["do, then drop", "do, then stall", "do, then answer 500 json", "do, then answer 502 html", "cut at 9"]
)
async def test_a_job_whose_answer_was_lost_is_adopted(fault: str) -> None:
    """The job exists, its id is unknown: Botify's list shows it, by its tag."""
    botify = sandbox(f"create job 1: {fault}")
    record = await submitted(botify)
    assert (record.job_id, record.decision) == ("1001", Decision.ADOPTED)
    assert len(botify.jobs) == 1


async def test_an_answer_that_cannot_be_read_is_a_lost_answer() -> None:
    """201 with something else in it: the job may exist."""
    botify = sandbox("create job 1: do, then answer 200 garbage")
    assert (await submitted(botify)).decision == Decision.ADOPTED
    assert len(botify.jobs) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        {"echo_export_job_name": False},
        {"echo_export_job_name": False, "echo_owner": False},
        {"listed_after": 5},
        {"foreign_jobs": 120, "list_size_limit": 6},
        {"foreign_jobs": 30, "list_size_limit": 5, "job_order": "oldest"},
        {"foreign_jobs": 30, "list_size_limit": 5, "job_order": "shuffled"},
        {"clock_skew": 600.0},
        {"clock_skew": -600.0},
        {"clock_skew": -600.0, "echo_export_job_name": False},
        {"job_id": "string"},
        {"foreign_next": True, "foreign_jobs": 20, "list_size_limit": 5},
    ],
)
async def test_a_lost_job_is_found_however_the_list_behaves(behaviour: dict[str, object]) -> None:
    """§5.3: order, scope and echo are unknown; a job may be listed late, among others', under another clock."""
    botify = sandbox("create job 1: do, then drop", **behaviour)
    assert (await submitted(botify)).decision == Decision.ADOPTED
    assert len(botify.jobs) == 1


async def test_a_job_that_was_never_made_is_submitted_once_more_after_the_grace() -> None:
    """The answer was lost before the work: a minute of looks, then a new job."""
    botify = sandbox("create job 1: drop")
    record = await submitted(botify)
    assert record.decision == Decision.RESUBMITTED
    assert len(botify.jobs) == 1
    first, *_, last = (seen.loop_at for seen in botify.requests if seen.route is Route.LIST_JOBS)
    assert last - first == pytest.approx(60, abs=2)


async def test_whoever_prefers_to_decide_stops_instead() -> None:
    """BOTIFY_ON_AMBIGUOUS=stop: exit code 4, no second POST; the next run looks again."""
    botify = sandbox("create job 1: do, then drop", listed=False)
    with pytest.raises(SubmissionUnknown) as unknown:
        await submitted(botify, on_ambiguous="stop")
    assert unknown.value.exit_code == 4
    assert requests_to(botify, Route.CREATE_JOB) == 1
    assert recorded().state is State.AMBIGUOUS
    with pytest.raises(SubmissionUnknown):
        await submitted(botify, on_ambiguous="stop")
    assert requests_to(botify, Route.CREATE_JOB) == 1


async def test_a_list_that_cannot_be_read_decides_nothing() -> None:
    """No second POST on a guess: exit code 4, and the next run looks again."""
    botify = sandbox("create job 1: do, then drop", "list jobs 1-10: answer 502 html")
    with pytest.raises(BotifyUnavailable):
        await submitted(botify)
    assert recorded().state is State.AMBIGUOUS
    assert (await submitted(botify)).decision == Decision.ADOPTED
    assert len(botify.jobs) == 1


async def test_a_process_that_died_after_the_post_is_repaired_by_the_next() -> None:
    """The intent is on disk, the id is not: the list is asked before anything is sent."""
    botify = sandbox()
    await submitted(botify)
    forget_the_answer()
    assert (await submitted(botify)).decision == Decision.ADOPTED
    assert len(botify.jobs) == 1


async def test_of_two_such_jobs_the_oldest_is_taken_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """§5.3: nothing stops duplicates on the server; the rule is fixed."""
    botify = sandbox(echo_export_job_name=False)
    async with client_of(botify) as client:
        for _ in range(2):
            await client.send("POST", ("jobs",), body={"job_type": "export", "payload": request().payload("x")})
    botify.add_fault(read_fault("create job 1: drop"))
    with caplog.at_level(logging.WARNING, "botify_export"):
        record = await submitted(botify)
    assert record.job_id == "1001"
    assert "shows 2 such jobs: taking the oldest, leaving 1002" in caplog.text


@pytest.mark.parametrize(
    "difference",
    [
        {"max_rows": 999},
        {"max_depth": 1},
        {"columns": request().columns[:2]},
        {"analysis": "20261122"},
    ],
)
async def test_a_job_of_another_export_is_never_adopted(difference: dict[str, Any]) -> None:
    """§5.3: also where names do not come back, every part of the payload tells."""
    botify = sandbox("create job 2: drop", echo_export_job_name=False)
    await submitted(botify, asked=request(**difference))
    assert (await submitted(botify)).decision == Decision.RESUBMITTED
    assert len(botify.jobs) == 2


async def test_the_same_export_of_somebody_else_is_not_adopted_where_names_come_back() -> None:
    """A name that is not ours tells another job, however alike."""
    botify = sandbox("create job 2: drop")
    async with client_of(botify) as client:
        await client.send("POST", ("jobs",), body={"job_type": "export", "payload": request().payload("weekly")})
    assert (await submitted(botify)).job_id == "1002"


async def test_a_failed_job_is_not_adopted() -> None:
    """It would never have a file."""
    botify = sandbox("create job 1: fail", "create job 2: do, then drop", echo_export_job_name=False)
    async with client_of(botify) as client:
        await client.send("POST", ("jobs",), body={"job_type": "export", "payload": request().payload("x")})
    assert (await submitted(botify)).job_id == "1002"


async def test_nothing_was_sent_means_that_it_is_sent_again() -> None:
    """A refused connection is no job: safe, with waits between."""
    botify = sandbox()
    inner, refusals = botify.transport(), 2

    class Refusing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, asked: httpx.Request) -> httpx.Response:
            nonlocal refusals
            if refusals:
                refusals -= 1
                raise httpx.ConnectError("Connection refused")
            return await inner.handle_async_request(asked)

    async with client_of(botify) as client:
        client._http._transport = Refusing()
        record = await Submission(client, Ledger.in_folder(DATA), request()).job()
    assert record.decision == Decision.SUBMITTED
    assert len(botify.jobs) == 1


@pytest.mark.parametrize("fault", ["answer 429", "answer 429 retry-after 7"])
async def test_too_many_requests_is_waited_out(fault: str) -> None:
    """§7.2: no job was made; it may be a burst."""
    botify = sandbox(f"create job 1-3: {fault}")
    assert (await submitted(botify)).decision == Decision.SUBMITTED
    assert len(botify.jobs) == 1


async def test_a_day_that_is_used_up_ends_with_a_sentence() -> None:
    """§7.2: ... or a day. A quarter of an hour is waited, then exit code 4; the next run submits afresh."""
    botify = sandbox("create job 1-99: answer 429")
    with pytest.raises(BotifyUnavailable, match="No job was made: Botify answered 429") as failure:
        await submitted(botify)
    assert failure.value.exit_code == 4
    assert recorded().state is State.WITHDRAWN
    moments = [seen.loop_at for seen in botify.requests]
    assert 800 < moments[-1] - moments[0] <= 900
    fresh = sandbox()
    assert (await submitted(fresh)).decision == Decision.SUBMITTED
    assert requests_to(fresh, Route.LIST_JOBS) == 0


@pytest.mark.parametrize("code", [1052, 1058])
async def test_another_export_that_is_running_is_waited_for(code: int) -> None:
    """§7.3: a look whether it is ours, else patience."""
    botify = sandbox(f"create job 1-2: answer 400 code {code}")
    assert (await submitted(botify)).decision == Decision.SUBMITTED
    assert requests_to(botify, Route.LIST_JOBS) == 2


async def test_the_export_that_is_running_may_be_ours() -> None:
    """Botify made the job and then said that one is running: adopted."""
    botify = sandbox("create job 1: do, then answer 400 code 1052")
    assert (await submitted(botify)).decision == Decision.ADOPTED
    assert len(botify.jobs) == 1


@pytest.mark.parametrize(
    ("fault", "error"), [("answer 400 code 1029", RequestRefused), ("answer 403 code 1002", AccessDenied)]
)
async def test_a_refused_export_is_no_job_and_does_not_block_the_next(fault: str, error: type[Exception]) -> None:
    """§7.3: a 4xx made no job."""
    botify = sandbox(f"create job 1: {fault}")
    with pytest.raises(error):
        await submitted(botify)
    assert recorded().state is State.WITHDRAWN
    assert (await submitted(botify)).decision == Decision.SUBMITTED
    assert requests_to(botify, Route.LIST_JOBS) == 0


async def test_a_failed_job_does_not_block_the_next_attempt() -> None:
    """A new job, a new tag, and the old one in the history."""
    botify = sandbox()
    first = await submitted(botify)
    Ledger.in_folder(DATA).advance(request(), State.FAILED, "1001", "disk full")
    second = await submitted(botify)
    assert (second.job_id, second.decision, second.attempt) == ("1002", Decision.SUBMITTED, 2)
    assert second.tag != first.tag
    assert [event.job_id for event in second.history] == [None, "1001", "1001", None, "1002"]


async def test_refresh_makes_a_new_job_on_purpose() -> None:
    """A new tag, a new generation, the old record kept in the history."""
    botify = sandbox()
    first = await submitted(botify)
    Ledger.in_folder(DATA).advance(request(), State.PUBLISHED, "1001")
    second = await submitted(botify, refresh=True)
    assert (second.job_id, second.generation) == ("1002", 2)
    assert second.known_jobs == {"1001", "1002"}
    assert second.tag != first.tag
    assert second.name == f"{first.name}-r2"


async def test_a_refresh_that_was_interrupted_goes_on() -> None:
    """The same command again continues: it does not pay a third time."""
    botify = sandbox()
    await submitted(botify)
    Ledger.in_folder(DATA).advance(request(), State.PUBLISHED, "1001")
    await submitted(botify, refresh=True)
    again = await submitted(botify, refresh=True)
    assert (again.job_id, again.decision) == ("1002", Decision.RECONNECTED)
    assert len(botify.jobs) == 2


async def test_a_refresh_whose_answer_was_lost_is_adopted_and_not_mixed_up_with_the_first_job() -> None:
    """Where no names come back, the first job looks the same; its id is known, so it is not the one."""
    botify = sandbox("create job 2: do, then drop", echo_export_job_name=False)
    await submitted(botify)
    Ledger.in_folder(DATA).advance(request(), State.PUBLISHED, "1001")
    second = await submitted(botify, refresh=True)
    assert (second.job_id, second.decision) == ("1002", Decision.ADOPTED)


async def test_a_damaged_record_is_set_aside_and_the_job_found_again(caplog: pytest.LogCaptureFixture) -> None:
    """Never read as empty: what may have been paid for is looked up, however long ago."""
    botify = sandbox()
    first = await submitted(botify)
    path = DATA / ".botify-export" / "ledger" / f"{first.fingerprint}.json"
    path.write_text(path.read_text()[:100])
    with caplog.at_level(logging.WARNING, "botify_export"):
        again = await submitted(botify)
    assert (again.job_id, again.decision) == ("1001", Decision.ADOPTED)
    aside = next(path.parent.glob("*.damaged-*"))
    assert str(aside.name) in caplog.text
    assert aside.read_text()[:20] in json.dumps(first.model_dump(mode="json"), indent=1)


async def test_a_record_that_was_set_aside_by_a_process_that_died_is_not_forgotten() -> None:
    """Between setting aside and repairing: the next run still knows that there was something."""
    botify = sandbox()
    first = await submitted(botify)
    path = DATA / ".botify-export" / "ledger" / f"{first.fingerprint}.json"
    path.rename(path.with_suffix(".damaged-20260101T000000"))
    assert (await submitted(botify)).decision == Decision.ADOPTED
    assert len(botify.jobs) == 1
