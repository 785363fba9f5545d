"""A data folder in a bucket: what one machine began, another goes on with, and nothing is paid for twice."""

import json
from typing import Any

import pytest
from upath import UPath

from flows.command_line import main
from flows.export_crawl import export_crawl
from tasks.exports.errors import DataFolderUnusable, JobStillRunning
from tasks.exports.outcome import Outcome, Status
from tasks.exports.site import Coverage
from tests.bucket import Loss, Store
from tests.served import BOOST_URL, Serve, Served

pytestmark = pytest.mark.anyio

RUN = ["run", BOOST_URL, "--max-rows", "1000"]


async def export(monkeypatch: pytest.MonkeyPatch, machine: str, **parameters: Any) -> Outcome:
    """Run the flow on a machine: with a disk of its own for what is under way, and with nothing else."""
    monkeypatch.setenv("BOTIFY_WORK_DIR", machine)
    asked: dict[str, Any] = {"project_url": BOOST_URL, "max_rows": 1000}
    outcome: Outcome = await export_crawl(**(asked | parameters))
    return outcome


def jobs_made(served: Served) -> int:
    return len(served.sandbox.jobs)


async def test_what_one_machine_exported_another_reuses(
    serve: Serve, bucket: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ledger and files are in the bucket; the disk of a machine holds neither."""
    served = serve()
    first = await export(monkeypatch, "one")
    assert str(first.csv).startswith(f"{bucket}/sandbox/www.boost.org/")
    again = await export(monkeypatch, "two")
    assert (again.status, again.manifest) == (Status.REUSED, first.manifest)
    skipped = await export(monkeypatch, "three", only_new=True)
    assert skipped.status is Status.SKIPPED
    assert jobs_made(served) == 1


async def test_another_machine_goes_on_with_the_job(
    serve: Serve, bucket: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one gave up, or died: its job is known."""
    served = serve(job_seconds=0.5)
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setenv("BOTIFY_JOB_TIMEOUT", "0")
        with pytest.raises(JobStillRunning):
            await export(monkeypatch, "one")
    outcome = await export(monkeypatch, "two")
    assert [job.decision for job in outcome.jobs] == ["reconnected"]
    assert jobs_made(served) == 1


async def test_a_whole_site_is_published_in_a_bucket(
    serve: Serve, bucket: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its slices is the export to a depth that stands in the bucket already."""
    served = serve()
    await export(monkeypatch, "one")
    outcome = await export(monkeypatch, "two", coverage=Coverage.FULL)
    assert outcome.rows == outcome.urls_total == 3811
    assert len(outcome.jobs) == jobs_made(served)
    again = await export(monkeypatch, "three", coverage=Coverage.FULL)
    assert (again.status, again.csv) == (Status.REUSED, outcome.csv)


async def test_cached_results_are_shared(serve: Serve, bucket: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second machine does not count the URLs again."""
    served = serve()
    await export(monkeypatch, "one")
    asked = len(served.sandbox.requests)
    await export(monkeypatch, "two")
    assert len(served.sandbox.requests) - asked == 2  # which analysis, and which fields


async def test_nothing_is_paid_for_where_the_ledger_cannot_be_written(
    serve: Serve, bucket: UPath, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that fails is no ledger without a record."""
    served = serve()
    store.lose(Loss.REQUEST, "PUT", "/ledger/", times=100)
    with pytest.raises(DataFolderUnusable):
        await export(monkeypatch, "one")
    assert jobs_made(served) == 0


def test_the_commands_work_on_a_bucket(serve: Serve, bucket: UPath, capfd: pytest.CaptureFixture[str]) -> None:
    """`run`, `exports`, `verify`, `analyses`, `resume` and `doctor`."""
    serve()
    assert main([*RUN, "--json"]) == 0
    outcome = json.loads(capfd.readouterr().out)
    for command, said in {
        ("exports",): "published",
        ("verify",): f"{bucket}/sandbox/www.boost.org",
        ("verify", outcome["csv"]): "every byte holds",
        ("analyses", BOOST_URL): "depth-2-",
        ("doctor",): "its writes are conditional",
        ("resume",): "No unfinished export",
    }.items():
        assert main(list(command)) == 0
        assert said in capfd.readouterr().out
    UPath(outcome["csv"]).write_bytes(b"url\n")
    assert main(["verify"]) == 4
    assert main(["resume"]) == 0
    assert main(RUN) == 0
    assert main(["verify"]) == 0


def test_an_address_is_given_like_a_folder(serve: Serve, bucket: UPath, capfd: pytest.CaptureFixture[str]) -> None:
    """`--output-dir` goes before BOTIFY_DATA_DIR."""
    serve()
    other = f"{bucket}/elsewhere"
    assert main([*RUN, "--output-dir", other, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["csv"].startswith(other)
