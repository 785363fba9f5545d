"""An export of the whole site, end to end: every URL once, each slice paid for once."""

import csv
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deployments.sandbox import Route
from flows.export_crawl import export_crawl
from tasks.artifacts.progress import Progress, watching
from tasks.delivery.manifest import problems, read_manifest
from tasks.exports.errors import (
    BotifyRefused,
    CreditsExceeded,
    DepthRefused,
    ExportError,
    FileGone,
    JobFailed,
    NotFinished,
)
from tasks.exports.outcome import Outcome, Status
from tasks.exports.site import Coverage
from tasks.exports.wanted import OutputFormat
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tasks.ledger.sites import SiteLedger, SiteRecord
from tests.flows.folders import contents, rows_of
from tests.served import Serve, Served

pytestmark = pytest.mark.anyio

CRAWLS = Path(__file__).parents[2] / "data" / "crawls"
FIELDS = ["depth", "http_code", "title", "meta_description", "h1"]
POSTGRESQL = "sandbox/www.postgresql.org"
TOTAL = 1169
OF_THE_DEPTH = 112
# Two slices, to depth 1 and depth 2; or four, with depth 2 in three.
TWO, FOUR = 1100, 400


async def export(tmp_path: Path, **parameters: Any) -> Outcome:
    """Run the flow as `--coverage full` does, on the smaller of the sandbox's crawls."""
    asked: dict[str, Any] = {"project_url": POSTGRESQL, "max_rows": TWO, "output_dir": str(tmp_path / "data")}
    outcome: Outcome = await export_crawl(**(asked | {"coverage": Coverage.FULL} | parameters))
    return outcome


def crawled(site: str, scale: int, orphans: int) -> list[dict[str, str]]:
    """Every row that an export of the whole site holds, by its URL."""
    with gzip.open(CRAWLS / f"{site}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        pages = [{name: row[name] for name in ("url", *FIELDS)} for row in csv.DictReader(file)]
    pages += [_orphan(site, number) for number in range(1, orphans + 1)]
    copies = [f"?copy={copy}" if copy else "" for copy in range(scale)]
    return sorted((page | {"url": page["url"] + copy} for page in pages for copy in copies), key=lambda row: row["url"])


def _orphan(site: str, number: int) -> dict[str, str]:
    title = f"Orphan {number}"
    facts = {"title": title, "h1": json.dumps([title, "No links lead here"])}
    url = f"https://www.{site}.org/orphan/{number:04}.html"
    return {"url": url, "depth": "", "http_code": "200", "meta_description": ""} | facts


def posts(served: Served) -> list[dict[str, Any]]:
    """The payloads of all jobs that were asked for."""
    return [json.loads(seen.body)["payload"] for seen in served.sandbox.requests if seen.route is Route.CREATE_JOB]


def site_of(tmp_path: Path) -> SiteRecord:
    (record,) = SiteLedger.in_folder(tmp_path / "data").all()
    assert isinstance(record, SiteRecord)
    return record


def slices_of(tmp_path: Path) -> list[ExportRecord | None]:
    ledger = Ledger.in_folder(tmp_path / "data")
    return [ledger.find(each) for each in site_of(tmp_path).slices]


def on_disk(tmp_path: Path) -> dict[str, bytes]:
    """Everything in the data folder but locks and what Prefect caches."""
    passing = ("locks", "task-results")
    return {
        str(path): path.read_bytes()
        for path in sorted((tmp_path / "data").rglob("*"))
        if path.is_file() and not set(passing) & set(path.parts)
    }


def most_unfinished(served: Served) -> int:
    """The most jobs at one moment whose file had not been asked for."""
    moves = {Route.CREATE_JOB: 1, Route.DOWNLOAD: -1}
    return max(_running(moves.get(seen.route, 0) for seen in served.sandbox.requests))


def _running(steps: Iterator[int]) -> Iterator[int]:
    number = 0
    for step in steps:
        number += step
        yield number


@pytest.mark.parametrize(
    ("site", "urls", "max_rows", "scale", "orphans", "slices"),
    [("boost", 3811, 3400, 2, 5, 5), ("postgresql", 1169, 70, 1, 5, 20), ("postgresql", 1169, 12, 1, 5, 103)],
)
async def test_every_url_of_the_crawl_comes_once(
    serve: Serve, tmp_path: Path, site: str, urls: int, max_rows: int, scale: int, orphans: int, slices: int
) -> None:
    """With the values of the real crawl; one job for each slice of the plan, and no two of them overlap."""
    served = serve(job_seconds=0.05, scale=scale, null_depth_rows=orphans)
    outcome = await export(tmp_path, project_url=f"sandbox/www.{site}.org", max_rows=max_rows, fields=FIELDS)
    total = (urls + orphans) * scale
    assert (outcome.status, outcome.rows, outcome.urls_total, outcome.max_depth) == (
        Status.COMPLETED,
        total,
        total,
        None,
    )
    assert outcome.csv is not None
    rows = rows_of(outcome.csv)
    assert sorted(rows, key=lambda row: row["url"]) == crawled(site, scale, orphans)
    record = site_of(tmp_path)
    assert len(record.slices) == slices
    assert sorted(json.dumps(post["query"]["query"]["filters"]) for post in posts(served)) == sorted(
        json.dumps(each.filter.bql("crawl.20261122-2")) for each in record.slices
    )
    assert [job.decision for job in outcome.jobs] == ["submitted"] * len(record.slices)
    by_number = {str(job.number): job for job in served.sandbox.jobs}
    assert [by_number[job.job_id].export.row_count for job in outcome.jobs] == [
        each.rows for each in record.plan.slices
    ]
    assert all(each.rows <= max_rows for each in record.plan.slices)
    assert served.sandbox.credits == total
    assert most_unfinished(served) <= 3
    table = pq.read_table(outcome.parquet)
    assert table.column("url").to_pylist() == [row["url"] for row in rows]
    assert table.column("depth").to_pylist() == [int(row["depth"]) if row["depth"] else None for row in rows]
    assert table.column("h1").to_pylist() == [json.loads(row["h1"]) for row in rows]
    assert problems(outcome.manifest.parent) == []
    assert [job.rows for job in read_manifest(outcome.manifest.parent).jobs] == [
        each.rows for each in record.plan.slices
    ]


async def test_no_more_jobs_run_at_once_than_are_allowed(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOTIFY_PARALLEL_JOBS: as many as that, and never more."""
    monkeypatch.setenv("BOTIFY_PARALLEL_JOBS", "2")
    served = serve(job_seconds=0.3)
    await export(tmp_path, max_rows=FOUR)
    assert len(posts(served)) == 4
    assert most_unfinished(served) == 2


async def test_the_requests_of_all_slices_together_keep_to_the_limit(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning, submitting, waiting and downloading: one limit for the whole run."""
    served = serve(job_seconds=0.5)
    monkeypatch.setenv("BOTIFY_REQUESTS_PER_SECOND", "20")
    await export(tmp_path)
    assert served.sandbox.most_api_requests_in_one_second <= 20


async def test_the_progress_is_that_of_all_slices(serve: Serve, tmp_path: Path) -> None:
    """It says how many are done, never falls, and ends at the end."""
    serve(job_seconds=0.05)
    seen: list[Progress] = []
    with watching(seen.append):
        await export(tmp_path, max_rows=FOUR)
    percents = [progress.percent for progress in seen]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert any(progress.text.startswith("2 of 4 slices: slice ") for progress in seen)


async def test_the_same_command_again_makes_no_job_and_changes_no_byte(serve: Serve, tmp_path: Path) -> None:
    """Reused: found, proved against its manifest, and left as it is."""
    served = serve()
    first = await export(tmp_path)
    before = on_disk(tmp_path)
    second = await export(tmp_path)
    assert second.status is Status.REUSED
    assert [job.decision for job in second.jobs] == ["reused"] * 2
    of_the_run = {"status", "jobs", "flow_run_id", "flow_run_url"}
    assert second.model_dump(exclude=of_the_run) == first.model_dump(exclude=of_the_run)
    assert on_disk(tmp_path) == before
    assert len(posts(served)) == 2


async def test_an_export_to_the_depth_is_the_first_slice(serve: Serve, tmp_path: Path) -> None:
    """Not paid for again; its own folder stays, and is still found."""
    served = serve()
    depth = await export(tmp_path, coverage=Coverage.DEPTH)
    full = await export(tmp_path, max_credits=TOTAL - OF_THE_DEPTH)
    assert (depth.rows, full.rows) == (OF_THE_DEPTH, TOTAL)
    assert [job.decision for job in full.jobs] == ["reused", "submitted"]
    assert full.jobs[0].job_id == depth.jobs[0].job_id
    assert problems(depth.manifest.parent) == []
    again = await export(tmp_path, coverage=Coverage.DEPTH)
    assert (again.status, again.manifest) == (Status.REUSED, depth.manifest)
    assert served.sandbox.credits == TOTAL


async def test_an_export_to_the_depth_that_was_not_finished_is_the_first_slice(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconnected."""
    served = serve(job_seconds=3)
    with monkeypatch.context() as impatient:
        impatient.setenv("BOTIFY_JOB_TIMEOUT", "0")
        with pytest.raises(NotFinished):
            await export(tmp_path, coverage=Coverage.DEPTH)
    full = await export(tmp_path)
    assert [job.decision for job in full.jobs] == ["reconnected", "submitted"]
    assert served.sandbox.credits == TOTAL


async def test_an_export_to_the_depth_comes_from_the_job_of_the_first_slice(serve: Serve, tmp_path: Path) -> None:
    """The other way round: nothing is paid, and both stand published."""
    served = serve()
    full = await export(tmp_path)
    depth = await export(tmp_path, coverage=Coverage.DEPTH)
    assert (depth.jobs[0].job_id, depth.jobs[0].decision) == (full.jobs[0].job_id, "reconnected")
    assert len(posts(served)) == 2
    assert (await export(tmp_path)).status is Status.REUSED
    assert problems(depth.manifest.parent) == problems(full.manifest.parent) == []


async def test_a_slice_that_fails_lets_the_others_finish(serve: Serve, tmp_path: Path) -> None:
    """It is named with Botify's words, nothing is published, and the next run makes, and pays for, only this one."""
    served = serve("create job 2: fail failure-reason disk full", job_seconds=0.1)
    with pytest.raises(JobFailed) as failure:
        await export(tmp_path, max_rows=FOUR)
    states = [each.state if each else None for each in slices_of(tmp_path)]
    assert sorted(str(state) for state in states) == ["downloaded"] * 3 + ["failed"]
    number = states.index(State.FAILED)
    piece = site_of(tmp_path).plan.slices[number]
    said = str(failure.value)
    assert "1 of 4 slices are missing, and nothing was published" in said
    assert re.search(rf"Slice {number + 1} \({piece.filter.in_words()}\): Job \d+ FAILED; Botify said: disk full", said)
    assert failure.value.exit_code == 3
    assert contents(tmp_path / "data") == {}
    before = on_disk(tmp_path)
    refusal = rf"Of 1,169 credits {piece.rows} are still to be paid, more than --max-credits {piece.rows - 1}\."
    with pytest.raises(CreditsExceeded, match=refusal):
        await export(tmp_path, max_rows=FOUR, max_credits=piece.rows - 1)
    assert on_disk(tmp_path) == before
    outcome = await export(tmp_path, max_rows=FOUR, max_credits=piece.rows)
    assert (len(posts(served)), outcome.rows) == (5, TOTAL)
    decisions = ["reconnected"] * 4
    decisions[number] = "submitted"
    assert [job.decision for job in outcome.jobs] == decisions


async def test_the_worst_of_several_failures_is_the_exit_code(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One FAILED (3), one still running (4): running again is not enough for both, and both are named."""
    serve("create job 1: never finish", "create job 2: fail")
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "0.5")
    with pytest.raises(BotifyRefused, match="2 of 2 slices are missing") as failure:
        await export(tmp_path)
    assert failure.value.exit_code == 3
    assert re.search(r"Job \d+ is still", str(failure.value))
    assert re.search(r"Job \d+ FAILED", str(failure.value))


async def test_jobs_that_are_refused_are_named(serve: Serve, tmp_path: Path) -> None:
    """A 403 for every POST: no job was made, exit code 3."""
    served = serve("create job 1+: answer 403 code 1002")
    with pytest.raises(ExportError, match="2 of 2 slices are missing") as failure:
        await export(tmp_path)
    assert failure.value.exit_code == 3
    assert served.sandbox.jobs == ()


async def test_more_credits_than_allowed_are_refused_before_the_first_job(serve: Serve, tmp_path: Path) -> None:
    """Both numbers, no POST, and nothing is written but what may be forgotten."""
    served = serve()
    with pytest.raises(CreditsExceeded, match=r"1,169 credits, more than --max-credits 1,168\."):
        await export(tmp_path, max_credits=TOTAL - 1)
    assert posts(served) == []
    assert on_disk(tmp_path) == {}
    assert (await export(tmp_path, max_credits=TOTAL)).rows == TOTAL
    assert (await export(tmp_path, max_credits=0)).status is Status.REUSED


async def test_a_refresh_that_is_refused_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    """The published export stays the one that is reused."""
    served = serve()
    first = await export(tmp_path)
    before = on_disk(tmp_path)
    with pytest.raises(CreditsExceeded, match=r"1,169 credits, more than --max-credits 1,168\."):
        await export(tmp_path, refresh=True, max_credits=TOTAL - 1)
    assert on_disk(tmp_path) == before
    again = await export(tmp_path)
    assert (again.status, again.manifest) == (Status.REUSED, first.manifest)
    assert len(posts(served)) == 2


async def test_refresh_pays_for_every_slice_anew_and_keeps_the_old(serve: Serve, tmp_path: Path) -> None:
    """On purpose: as many jobs again, a second folder; afterwards the newer one is what is reused."""
    served = serve()
    first = await export(tmp_path)
    second = await export(tmp_path, refresh=True)
    third = await export(tmp_path)
    assert len(posts(served)) == 4
    assert {job.job_id for job in first.jobs} & {job.job_id for job in second.jobs} == set()
    assert second.manifest.parent.name == f"{first.manifest.parent.name}-r2"
    assert (third.status, third.manifest) == (Status.REUSED, second.manifest)
    assert problems(first.manifest.parent) == []


async def test_an_interrupted_refresh_goes_on_and_pays_once(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also within a limit of no credits at all: all its jobs are made."""
    served = serve(job_seconds=0.2)
    first = await export(tmp_path)
    with monkeypatch.context() as impatient:
        impatient.setenv("BOTIFY_JOB_TIMEOUT", "0")
        with pytest.raises(NotFinished):
            await export(tmp_path, refresh=True)
    outcome = await export(tmp_path, refresh=True, max_credits=0)
    assert outcome.manifest.parent.name == f"{first.manifest.parent.name}-r2"
    assert [job.decision for job in outcome.jobs] == ["reconnected"] * 2
    assert len(posts(served)) == 4


@pytest.mark.parametrize("damage", ["altered", "no manifest", "all"])
async def test_published_files_that_no_longer_hold_are_fetched_again_from_the_same_jobs(
    serve: Serve, tmp_path: Path, damage: str
) -> None:
    """One changed byte is enough; nothing is paid for."""
    served = serve()
    first = await export(tmp_path)
    before = contents(tmp_path / "data")
    assert first.csv is not None
    match damage:
        case "altered":
            first.csv.write_bytes(first.csv.read_bytes()[:-2] + b"X\n")
        case "no manifest":
            first.manifest.unlink()
        case _:
            first.manifest.parent.rename(tmp_path / "elsewhere")
    second = await export(tmp_path, max_credits=0)
    assert (second.status, second.csv) == (Status.COMPLETED, first.csv)
    assert [job.decision for job in second.jobs] == ["reconnected"] * 2
    place = str(Path(str(first.csv)).relative_to(tmp_path / "data"))
    assert contents(tmp_path / "data")[place] == before[place]
    assert len(posts(served)) == 2


async def test_only_the_slice_that_botify_lost_is_paid_for_again(serve: Serve, tmp_path: Path) -> None:
    """The files are gone here, and one of them there: `--refresh` pays for that one alone."""
    served = serve()
    first = await export(tmp_path)
    first.manifest.parent.rename(tmp_path / "elsewhere")
    lost = first.jobs[1].job_id
    (job,) = [job for job in served.sandbox.jobs if str(job.number) == lost]
    job.number = 9001
    with pytest.raises(FileGone, match=f"no longer knows job {lost}"):
        await export(tmp_path)
    outcome = await export(tmp_path, refresh=True)
    assert len(posts(served)) == 3
    assert outcome.manifest == first.manifest
    assert [job.decision for job in outcome.jobs] == ["reconnected", "submitted"]


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"file_format": OutputFormat.CSV}, {"pages.csv"}),
        ({"file_format": OutputFormat.PARQUET, "excel": True}, {"pages.csv", "pages.parquet", "pages.excel.csv"}),
    ],
)
async def test_the_files_wanted_are_the_files_published(
    serve: Serve, tmp_path: Path, parameters: dict[str, Any], names: set[str]
) -> None:
    """One of each for the whole site; another format later is no other job."""
    served = serve()
    outcome = await export(tmp_path, **parameters)
    folder = outcome.manifest.parent
    assert {path.name for path in folder.iterdir()} == names | {"manifest.json"}
    assert (await export(tmp_path, **parameters)).status is Status.REUSED
    parquet = await export(tmp_path, file_format=OutputFormat.PARQUET)
    assert parquet.manifest == outcome.manifest
    assert {path.name for path in folder.iterdir()} == names | {"manifest.json", "pages.parquet"}
    assert len(posts(served)) == 2


async def test_whatever_passes_is_survived_with_one_job_a_slice(serve: Serve, tmp_path: Path) -> None:
    """Faults that go away, in the middle of several slices."""
    lost = ("create job 2: do, then drop", "create job 3: do, then answer 500 json", "create job 4: drop")
    looks = ("read job 1-3: answer 502 html", "list jobs 2-3: answer 502 html")
    downloads = ("download 1: cut at 1000", "download 3: flip at 4000", "download 5: expired 403")
    served = serve(*lost, *looks, *downloads, job_seconds=0.1)
    outcome = await export(tmp_path, max_rows=FOUR)
    assert outcome.rows == TOTAL
    assert problems(outcome.manifest.parent) == []
    assert served.sandbox.credits == TOTAL


async def test_rows_that_differ_in_one_slice_publish_nothing(serve: Serve, tmp_path: Path) -> None:
    """Each slice is held against its own count before anything is merged."""
    serve(export_rows_offset=-3)
    with pytest.raises(ExportError, match=r"2 of 2 slices are missing.*expected 112, found 109") as failure:
        await export(tmp_path)
    assert failure.value.exit_code == 3
    assert contents(tmp_path / "data") == {}


async def test_a_site_that_fits_one_job_is_one_slice(serve: Serve, tmp_path: Path) -> None:
    """The usual limit, a small site."""
    served = serve()
    outcome = await export(tmp_path, max_rows=1_000_000)
    assert (outcome.rows, outcome.max_depth, len(posts(served))) == (TOTAL, None, 1)


async def test_a_depth_is_no_part_of_the_whole_site(serve: Serve, tmp_path: Path) -> None:
    """Two wishes that contradict each other: refused before anybody is asked."""
    served = serve()
    with pytest.raises(DepthRefused, match="--coverage full exports every depth"):
        await export(tmp_path, max_depth=2)
    assert served.sandbox.requests == ()
