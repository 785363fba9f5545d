"""The flow that exports many projects, against the sandbox: none waits for another's failure, none is paid twice."""

import asyncio
from pathlib import Path

import pytest
from prefect.exceptions import FailedRun
from pydantic import SecretStr

from deployments.sandbox import TOKEN, Analysis, Behaviour
from flows.ending import failed
from flows.one_of_many import one_of_many
from flows.portfolio import export_portfolio
from tasks.artifacts import guarded, portfolio_table
from tasks.delivery.manifest import problems
from tasks.exports.errors import JobFailed, PortfolioRefused
from tasks.exports.outcome import Outcome
from tasks.exports.summary import OneOfMany, Summary
from tasks.load_credentials import BotifyCredentials
from tests.flows.portfolio_runs import (
    COSTS,
    NEWEST,
    artifacts_of,
    ended,
    projects,
    result_of,
    run_with,
    runs_within,
    summary_of,
    table_of,
    tried_again,
)
from tests.flows.processes import wait_until
from tests.served import Serve

pytestmark = pytest.mark.anyio

# Where the first two jobs are read.
JOBS = {"/v1/jobs/1001", "/v1/jobs/1002"}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests look at is reported, however busy the machine is."""
    monkeypatch.setattr(guarded, "PATIENCE", 60)


def statuses(summary: Summary) -> list[str]:
    return [export.status.value for export in summary.exports]


async def test_a_portfolio_exports_each_project_as_if_it_were_alone(serve: Serve) -> None:
    """Checked files for each, and a run that says so; the same again pays nothing."""
    served = serve(mirrors=2)
    state, run = await ended(projects(1, 2))
    summary = await result_of(state)
    assert [(export.project, export.analysis, export.rows) for export in summary.exports] == [
        (f"sandbox/{number}.www.boost.org", NEWEST, COSTS) for number in (1, 2)
    ]
    assert [problems(Path(export.says)) for export in summary.exports] == [[], []]
    assert (state.name, state.message) == ("Completed", "2 of 2 projects are exported, for 988 credits")
    assert run.name == "portfolio of 2 projects"
    assert "botify-export" in run.tags
    assert {each.name for each in await runs_within(run)} == {f"{export} depth 2" for export in summary.exports}
    assert summary.credits == served.sandbox.credits
    again = await summary_of(projects(1, 2))
    assert (statuses(again), again.credits, len(served.sandbox.jobs)) == (["reused"] * 2, 0, 2)
    assert [export.says for export in again.exports] == [export.says for export in summary.exports]


async def test_one_project_that_fails_stops_no_other(serve: Serve) -> None:
    """Each says what became of it; the run ends as the worst did, and run again makes only what is missing."""
    served = serve("create job 2: fail", mirrors=5)
    wrong = [{"url": "sandbox/forbidden"}, *projects(4, fields=["titel"])]
    state, run = await ended([*projects(1), *wrong, *projects(2, 3)], at_once=1)
    assert (run.state_name, state.is_failed()) == ("Failed", True)
    assert str(state.message).startswith("2 of 5 projects are exported, for 1,482 credits; 3 failed. ")
    assert str(state.message).endswith("sandbox/4.www.boost.org: This analysis has no field 'titel'. Nearest: title.")
    rows = await table_of(run.id)
    assert [row["Status"] for row in rows] == ["completed", "failed", "failed", "failed", "completed"]
    assert [row["Credits"] for row in rows] == ["494", "0", "0", "494", "494"]
    assert "Botify answered 403" in rows[1]["Where, or why not"]
    assert "Job 1002 FAILED" in rows[3]["Where, or why not"]
    again = await summary_of(projects(1, 2))
    assert (statuses(again), again.credits) == (["reused", "completed"], COSTS)
    assert len(served.sandbox.jobs) == 4


async def test_nobody_pays_more_than_all_together_may_cost(serve: Serve) -> None:
    """Counted first, in the list's order: what fits is exported, also behind what does not, and the run ends well."""
    served = serve("create job 3: fail", mirrors=3)
    whole = projects(2, coverage="full", max_rows=9000)
    asked = [*projects(1), *whole, *projects(3, max_rows=100)]
    state, _ = await ended(asked, max_credits=COSTS + 100)
    summary = await result_of(state)
    assert statuses(summary) == ["completed", "not paid for", "completed"]
    assert (state.name, state.message) == (
        "Completed",
        f"2 of 3 projects are exported, for {summary.credits:,} credits; max_credits stopped sandbox/2.www.boost.org",
    )
    assert summary.credits == served.sandbox.credits <= COSTS + 100
    assert summary.exports[1].says == f"{NEWEST} would cost 3,811 credits, and of max_credits 594 only 100 are left."
    state, _ = await ended(asked, max_credits=3811)
    assert str(state.message).startswith("2 of 3 projects are exported, for 3,811 credits; 1 failed. ")
    assert statuses(await summary_of(asked, max_credits=0)) == ["reused", "not paid for", "reused"]
    assert len(served.sandbox.jobs) == 3


async def test_only_new_skips_what_was_exported_before(serve: Serve) -> None:
    """As a schedule asks: one request a project, until Botify has another crawl of it."""
    served = serve(mirrors=1)
    await summary_of(projects(1))
    before = len(served.sandbox.requests)
    assert statuses(await summary_of(projects(1), only_new=True)) == ["skipped"]
    assert len(served.sandbox.requests) == before + 1
    served.sandbox.publish("1.www.boost.org", Analysis("20261123", share=95))
    (new,) = (await summary_of(projects(1), only_new=True, max_credits=1000)).exports
    assert (new.status, new.analysis) == ("completed", "20261123")


async def test_a_run_exports_one_group_of_a_file(serve: Serve) -> None:
    """The run is called by it, and so are its artifacts: each group has a history of its own."""
    serve(mirrors=3)
    Path("list.csv").write_text(
        "url;max_rows;group\nsandbox/1.www.boost.org;1000;Team A\nsandbox/2.www.boost.org;1000;b\n"
    )
    state, run = await ended([], portfolio_file="list.csv", group="Team A")
    assert [export.project for export in (await result_of(state)).exports] == ["sandbox/1.www.boost.org"]
    assert run.name == "portfolio Team A of 1 projects"
    assert set(await artifacts_of(run.id)) == {
        "progress-portfolio-team-a",
        "portfolio-team-a",
        "portfolio-summary-team-a",
    }


async def test_a_list_that_is_wrong_asks_nobody(serve: Serve) -> None:
    """The run fails with the sentence that the command says, and whoever calls the flow gets the error."""
    served = serve()
    state, run = await ended(projects(1), portfolio_file="list.csv")
    assert (run.state_name, state.message) == (
        "Failed",
        "Give either projects or a file of them. Correct the list and run it again.",
    )
    with pytest.raises(PortfolioRefused, match=r"^nowhere\.csv cannot be read: No such file"):
        await export_portfolio(portfolio_file="nowhere.csv")
    assert served.sandbox.requests == ()


async def test_the_beginnings_are_spread_over_the_time(serve: Serve) -> None:
    """Evenly: the first at once, the second of two after half of it."""
    serve(mirrors=2)
    _, run = await ended(projects(1, 2), spread_minutes=4 / 60)
    first, second = [each.start_time for each in await runs_within(run)]
    assert run.start_time
    assert first
    assert second
    assert (second - run.start_time).total_seconds() >= 2


async def test_a_table_on_the_page_fills_in_as_they_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """One artifact, a row a project, in the list's order; beside it how far all are, and at the end what was made."""
    monkeypatch.setattr(portfolio_table, "UPDATE_EVERY", 0.05)
    serve(mirrors=2, job_seconds=0.5)
    exporting = asyncio.create_task(ended(projects(1, 2, group="table"), group="table", at_once=1))
    run = await run_with(lambda rows: rows[0]["Status"] == "completed", "portfolio-table")
    first, second = await table_of(run, "portfolio-table")
    assert (first["URLs"], first["Credits"], second["Status"]) == ("494", "494", "running")
    assert f"/sandbox/1.www.boost.org/{NEWEST}/depth-2-" in first["Where, or why not"]
    assert {name: second[name] for name in ("URLs", "Credits", "Time")} == {"URLs": "", "Credits": "0", "Time": ""}
    _, after = await exporting
    assert after.id == run
    found = await artifacts_of(run)
    assert {row["Status"] for row in await table_of(run, "portfolio-table")} == {"completed"}
    assert (found["progress-portfolio-table"].data, found["progress-portfolio-table"].description) == (
        100,
        "2 of 2 projects: sandbox/2.www.boost.org: ended",
    )
    summary = str(found["portfolio-summary-table"].data)
    assert summary.startswith("## 2 of 2 projects are exported, for 988 credits\n")
    assert "| **URLs** | 988 |" in summary


async def test_a_run_that_is_tried_again_goes_on_where_it_stopped(serve: Serve) -> None:
    """NotFinished, as an automation wants it; then each has its own outcome, also what the first time did not begin."""
    served = serve("list analyses 1-10: answer 502 html", mirrors=2)
    state, stopped = await ended(projects(1, 2), max_credits=2 * COSTS)
    assert stopped.state_name == "NotFinished"
    assert str(state.message).startswith("1 of 2 projects are exported, for 494 credits; 1 not finished. ")
    state, run = await tried_again(stopped)
    assert (run.id, run.run_count, run.state_name) == (stopped.id, 2, "Completed")
    summary = await result_of(state)
    assert [Path(export.says).parts[-3] for export in summary.exports] == ["1.www.boost.org", "2.www.boost.org"]
    assert (statuses(summary), summary.credits) == (["completed", "reused"], COSTS)
    assert len(served.sandbox.jobs) == 2


async def test_a_run_that_is_cancelled_leaves_its_jobs_to_the_next(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more begin than were to be at once; what was under way is told as not finished, with what was paid."""
    monkeypatch.setattr(portfolio_table, "UPDATE_EVERY", 0.05)
    served = serve(mirrors=3, job_seconds=600)
    asked = projects(1, 2, 3, group="cancelled")
    exporting = asyncio.create_task(ended(asked, group="cancelled", at_once=2))
    run = await run_with(lambda rows: [row["Status"] for row in rows].count("running") == 2, "portfolio-cancelled")
    await asyncio.to_thread(wait_until, lambda: {seen.path for seen in served.sandbox.requests} >= JOBS)
    assert not any("/3.www.boost.org" in seen.path for seen in served.sandbox.requests)
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    *begun, waiting = await table_of(run, "portfolio-cancelled")
    assert [(row["Status"], row["Credits"]) for row in begun] == [("not finished", "494")] * 2
    assert begun[0]["Where, or why not"].startswith("It was cancelled. Run the same command again")
    assert waiting["Status"] == "waiting"
    served.sandbox.behaviour = Behaviour(mirrors=3)
    assert [export.credits for export in (await summary_of(asked)).exports] == [0, 0, COSTS]


async def test_each_project_may_have_its_own_credentials(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the run serve where a project names none; both pay, and count before, with their own."""
    served = serve(mirrors=2)
    for name, token in (("all", TOKEN), ("one", TOKEN), ("old", "wrong")):
        block = BotifyCredentials(token=SecretStr(token), api_url=served.addresses.api_url)
        await block.save(f"portfolio-{name}", overwrite=True)
    monkeypatch.delenv("BOTIFY_API_TOKEN")
    asked = [*projects(1), *projects(2, credentials="portfolio-old")]
    state, _ = await ended(asked, credentials="portfolio-all", max_credits=1000)
    assert "2.www.boost.org" in str(state.message)
    assert "Botify answered 401" in str(state.message)
    asked = [*projects(1), *projects(2, credentials="portfolio-one")]
    state, _ = await ended(asked, max_credits=1000)
    assert str(state.message).startswith("1 of 2 projects are exported, for 494 credits; 1 failed. ")
    assert "No Botify API token" in str(state.message)


async def test_why_an_export_failed_is_known_without_prefect() -> None:
    """A server that is busy keeps the state of a run and loses the error in it."""

    async def lost() -> Outcome:
        failed(JobFailed("Job 1001 FAILED."))
        raise FailedRun("Job 1001 FAILED.")

    exports = [OneOfMany(project="acme/a")]
    await one_of_many(exports, 0, lost())
    assert (exports[0].says, exports[0].exit_code) == ("Job 1001 FAILED.", JobFailed.exit_code)
    assert exports[0].next_step == JobFailed.next_step
