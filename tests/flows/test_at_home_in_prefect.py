"""What a team sees of a run in Prefect: states, names, events, the question, credentials, schedules, backfills."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import SecretStr

from deployments.sandbox import TOKEN, Analysis, Route
from flows.backfill import backfill
from flows.export_crawl import export_crawl
from tasks import ask_analysis
from tasks.exports.errors import AnalysisRefused, ExportError, JobStillRunning, SettingRefused, TokenMissing
from tasks.load_credentials import BotifyCredentials
from tests.served import BOOST_URL, Serve, Served

pytestmark = pytest.mark.anyio

ASKED: dict[str, Any] = {"project_url": BOOST_URL, "max_rows": 1000, "output_dir": "data"}


async def run_of(**parameters: Any) -> FlowRun:
    """Run the flow, however it ends, and return what the server knows of the run."""
    state: Any = await export_crawl(**(ASKED | parameters), return_state=True)
    async with get_client() as client:
        run: FlowRun = await client.read_flow_run(state.state_details.flow_run_id)
    return run


def said(run: FlowRun) -> tuple[str, str]:
    assert run.state is not None
    return str(run.state.name), str(run.state.message)


async def test_the_state_says_how_a_run_ended(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh, reused and skipped look different; a failure is told in our words, with what to do."""
    serve("create job 2: never finish")
    rows = "494 URLs, 13.0 % of the site"
    assert said(await run_of()) == ("Completed", rows)
    assert said(await run_of()) == ("Reused", rows)
    assert said(await run_of(only_new=True)) == ("Skipped", f"20261122-2 was exported already: {rows}")
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "0")
    name, message = said(await run_of(fields=["depth"]))
    assert name == "NotFinished"
    assert message.endswith("it waits for the same job. BOTIFY_JOB_TIMEOUT sets the patience.")
    monkeypatch.setenv("BOTIFY_API_TOKEN", "wrong")
    name, message = said(await run_of(refresh=True))
    assert name == "Failed"
    assert "Botify answered 401, Not Authorized (1001)" in message
    assert "https://app.botify.com/account" in message


async def test_whoever_calls_the_flow_gets_the_outcome_or_the_error(serve: Serve, tmp_path: Path) -> None:
    """The states are for the page only."""
    serve("create job 1: never finish")
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setenv("BOTIFY_JOB_TIMEOUT", "0")
        with pytest.raises(JobStillRunning):
            await export_crawl(**ASKED)
    assert (await export_crawl(**ASKED, refresh=True)).rows == 494


async def test_a_run_is_called_by_what_it_does(serve: Serve) -> None:
    """Project, analysis, depth; tags to filter by."""
    serve()
    run = await run_of()
    assert run.name == "sandbox/www.boost.org 20261122-2 depth 2"
    assert set(run.tags) >= {"botify-export", "sandbox", "sandbox/www.boost.org"}
    assert (await run_of(coverage="full")).name == "sandbox/www.boost.org 20261122-2 whole site"


async def test_others_may_react_to_what_happens_to_a_project(serve: Serve) -> None:
    """Submitted, published, failed: events with the project as resource and the run beside it."""
    serve("create job 2: fail")
    run = await run_of()
    found = await events_of(run, 2)
    assert set(found) == {"botify-export.submitted", "botify-export.published"}
    assert found["botify-export.published"]["rows"] == 494
    refused = await events_of(await run_of(fields=["depth"]), 2)
    assert set(refused) == {"botify-export.submitted", "botify-export.failed"}
    assert refused["botify-export.failed"]["error"] == "JobFailed"


async def events_of(run: FlowRun, number: int) -> dict[str, Any]:
    """What a run announced about its project, when it is so many; the server takes events in with a delay."""
    project = {"id": ["botify.project.sandbox.www.boost.org"]}
    asked = {"filter": {"resource": project, "related": {"id": [f"prefect.flow-run.{run.id}"]}}, "limit": 50}
    async with get_client() as client:
        while True:
            answer = (await client._client.post("/events/filter", json=asked)).json()
            if len(answer["events"]) >= number:
                return {event["event"]: event["payload"] for event in answer["events"]}
            await asyncio.sleep(0.1)


async def test_a_schedule_exports_each_new_crawl_once(serve: Serve) -> None:
    """Exported once, then skipped with one request and no credit, until Botify has another crawl."""
    served = serve()
    assert said(await run_of(only_new=True))[0] == "Completed"
    before = len(served.sandbox.requests)
    assert said(await run_of(only_new=True))[0] == "Skipped"
    assert len(served.sandbox.requests) == before + 1
    served.sandbox.publish("www.boost.org", Analysis("20261123-2", share=95))
    run = await run_of(only_new=True)
    assert said(run)[0] == "Completed"
    assert run.name.startswith("sandbox/www.boost.org 20261123-2 ")
    assert said(await run_of(only_new=True))[0] == "Skipped"
    assert len(served.sandbox.jobs) == 2


@pytest.mark.parametrize(
    "other",
    [{"fields": ["title"]}, {"max_rows": 100}, {"max_depth": 1}, {"coverage": "full"}, {"excel": True}],
    ids=lambda other: next(iter(other)),
)
async def test_another_question_is_not_skipped(serve: Serve, other: dict[str, Any]) -> None:
    """Exported already means: what is asked for now."""
    serve()
    await run_of()
    assert said(await run_of(**other, only_new=True))[0] == "Completed"


async def test_a_damaged_export_is_not_skipped(serve: Serve) -> None:
    """It is fetched again, from the same job."""
    served = serve()
    outcome = await export_crawl(**ASKED)
    assert outcome.csv is not None
    outcome.csv.write_bytes(b"spoilt")
    assert said(await run_of(only_new=True))[0] == "Completed"
    assert len(served.sandbox.jobs) == 1


async def _stored(client: PrefectClient, run: FlowRun, key: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            with suppress(PrefectHTTPStatusError):
                return (await client._client.get(f"/flow_runs/{run.id}/input/{key}")).json()
            await asyncio.sleep(0.05)


async def answered(choose: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Wait for a paused run, look at its question, and resume it with the answer."""
    async with get_client() as client:
        waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
        paused: list[FlowRun] = []
        while not paused:
            await asyncio.sleep(0.05)
            paused = await client.read_flow_runs(flow_run_filter=waiting)
        (run,) = paused
        # Prefect pauses the run first, and stores the question then.
        question = {part: await _stored(client, run, f"paused-1-{part}") for part in ("schema", "description")}
        answer = choose(question)
        resumed = await client._client.post(f"/flow_runs/{run.id}/resume", json={"run_input": answer})
        resumed.raise_for_status()


async def test_a_run_asks_which_analysis(serve: Serve) -> None:
    """The form lists the analyses, newest first and pre-chosen, with what is exported already."""
    serve()
    await export_crawl(**ASKED)
    questions = []

    def choose(question: dict[str, Any]) -> dict[str, Any]:
        questions.append(question)
        return {"analysis": "20261101"}

    outcome, _ = await asyncio.gather(export_crawl(**ASKED, analysis="ask"), answered(choose))
    assert outcome.analysis == "20261101"
    choice = questions[0]["schema"]["properties"]["analysis"]
    assert choice["enum"] == ["20261122-2", "20261122", "20261101", "20261001", "20260901"]
    assert choice["default"] == "20261122-2"
    assert "| 20261122-2 | 2026-11-22 | 3,811 | yes |" in questions[0]["description"]


async def test_a_question_that_nobody_answers_ends_the_run(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence, and without a job."""
    served = serve()
    monkeypatch.setattr(ask_analysis, "PATIENCE", 1)
    monkeypatch.setattr(ask_analysis, "LOOK_EVERY", 0.1)
    with pytest.raises(AnalysisRefused, match="Nobody chose an analysis"):
        await export_crawl(**ASKED, analysis="ask")
    assert not served.sandbox.jobs


async def save(name: str, served: Served, **changes: str) -> None:
    """Make a block as the form in the UI does."""
    facts: dict[str, Any] = {"token": SecretStr(TOKEN), "api_url": served.addresses.api_url}
    await BotifyCredentials(**(facts | changes)).save(name, overwrite=True)


async def test_the_token_may_stand_in_a_block(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes before the environment; the run's parameters hold its name only."""
    served = serve()
    await save("prod", served)
    monkeypatch.setenv("BOTIFY_API_TOKEN", "wrong")
    monkeypatch.setenv("BOTIFY_API_URL", "https://127.0.0.1:9/v1")
    run = await run_of(credentials="prod")
    assert said(run)[0] == "Completed"
    assert run.parameters["credentials"] == "prod"
    assert TOKEN not in str(run.parameters)
    assert {seen.authorization for seen in served.sandbox.requests if seen.route is Route.CREATE_JOB} == {
        f"Token {TOKEN}"
    }


@pytest.mark.parametrize(
    ("block", "refusal", "sentence"),
    [
        ("unheard-of", TokenMissing, "There is no block botify-credentials/unheard-of."),
        ("elsewhere", SettingRefused, "must be https"),
    ],
)
async def test_a_block_that_does_not_serve_says_why(
    serve: Serve, block: str, refusal: type[ExportError], sentence: str
) -> None:
    """Before anything is asked."""
    served = serve()
    await save("elsewhere", served, api_url="http://example.com/v1")
    with pytest.raises(refusal, match=sentence):
        await export_crawl(**ASKED, credentials=block)
    assert not served.sandbox.requests


FILL: dict[str, Any] = ASKED | {"since": "2026-10-01", "until": "2026-11-22"}


async def test_a_backfill_exports_the_past_oldest_first(serve: Serve) -> None:
    """Every successful analysis of the days, and nothing twice when it is run again."""
    served = serve()
    done = (await backfill(**FILL)).exports
    assert [(export.analysis, export.status) for export in done] == [
        ("20261001", "completed"),
        ("20261101", "completed"),
        ("20261122", "completed"),
        ("20261122-2", "completed"),
    ]
    assert sum(export.credits for export in done) == served.sandbox.credits
    again = (await backfill(**FILL)).exports
    assert {(export.status, export.credits) for export in again} == {("reused", 0)}
    assert len(served.sandbox.jobs) == 4


async def test_a_backfill_stops_before_its_budget_is_exceeded(serve: Serve) -> None:
    """What is paid counts from this run; the next run goes on where this one stopped."""
    served = serve()
    rows = [export.rows for export in (await backfill(**FILL)).exports]
    other = FILL | {"output_dir": "other"}
    budget = sum(row for row in rows[:2] if row) + 1
    state: Any = await backfill(**other, max_credits=budget, return_state=True)
    done = (await state.aresult()).exports
    assert [export.status for export in done] == ["completed", "completed", "not paid for", "not paid for"]
    assert state.message.startswith("2 of 4 analyses are exported, for ")
    assert state.message.endswith("; max_credits stopped sandbox/www.boost.org 20261122 and 1 more")
    assert len(served.sandbox.jobs) == 6
    rest = (await backfill(**other, max_credits=None)).exports
    assert [export.status for export in rest] == ["reused", "reused", "completed", "completed"]


async def test_one_analysis_that_fails_does_not_stop_a_backfill(serve: Serve) -> None:
    """The run ends as failed and says which; the others are there."""
    serve("create job 2: fail")
    state: Any = await backfill(**FILL, return_state=True)
    assert state.is_failed()
    assert state.message.startswith("3 of 4 analyses are exported")
    assert "Job 1002 FAILED" in state.message


async def test_a_backfill_without_an_analysis_says_so(serve: Serve) -> None:
    """Instead of an empty success."""
    serve()
    with pytest.raises(AnalysisRefused, match="no successful analysis from 2020-01-01 to 2020-12-31"):
        await backfill(**(FILL | {"since": "2020-01-01", "until": "2020-12-31"}))
