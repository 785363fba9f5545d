"""The flow, end to end: against the sandbox on real sockets, with a Prefect server."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.sandbox import TOKEN, Route
from flows.export_crawl import export_crawl
from tasks.delivery.manifest import problems, read_manifest
from tasks.exports.errors import (
    AccessDenied,
    AnalysisRefused,
    DepthRefused,
    ExportError,
    FieldRefused,
    FileGone,
    JobFailed,
    JobStillRunning,
    NotFound,
    ProjectUrlRefused,
    RowsDiffer,
    TokenMissing,
    TokenRefused,
)
from tasks.exports.outcome import Outcome, Status
from tests.flows.folders import contents, published, rows_of
from tests.served import BOOST_URL, Serve, Served

pytestmark = pytest.mark.anyio

CRAWL = Path(__file__).parents[2] / "data" / "crawls" / "boost.csv.gz"


async def export(tmp_path: Path, **parameters: Any) -> Outcome:
    """Run the flow as the command line does: 494 URLs to depth 2, unless told otherwise."""
    asked: dict[str, Any] = {"project_url": BOOST_URL, "max_rows": 1000, "output_dir": str(tmp_path / "data")}
    outcome: Outcome = await export_crawl(**(asked | parameters))
    return outcome


def jobs_made(served: Served) -> int:
    return len(served.sandbox.jobs)


async def test_a_crawl_arrives_as_checked_files(serve: Serve, tmp_path: Path) -> None:
    """The whole main job: every URL to the depth, with the values of the real crawl."""
    served = serve(job_seconds=0.1)
    outcome = await export(tmp_path, fields=["depth", "http_code", "title", "meta_description", "h1"])
    assert (outcome.status, outcome.analysis, outcome.max_depth) == (Status.COMPLETED, "20261122-2", 2)
    assert (outcome.rows, outcome.urls_total) == (494, 3811)
    assert [job.model_dump() for job in outcome.jobs] == [{"job_id": "1001", "decision": "submitted"}]
    with gzip.open(CRAWL, "rt", encoding="utf-8", newline="") as file:
        crawled = sorted((row for row in csv.DictReader(file) if int(row["depth"]) <= 2), key=lambda row: row["url"])
    assert outcome.csv is not None
    names = ("url", "depth", "http_code", "title", "meta_description", "h1")
    assert rows_of(outcome.csv) == [{name: row[name] for name in names} for row in crawled]
    assert jobs_made(served) == 1


async def test_the_folder_holds_three_files_and_nothing_else(serve: Serve, tmp_path: Path) -> None:
    """DATA_DIR/ORG/PROJECT/ANALYSIS/, a folder an export; nothing temporary stays."""
    serve()
    outcome = await export(tmp_path)
    folder = outcome.manifest.parent
    assert folder.parent == tmp_path / "data" / "sandbox" / "www.boost.org" / "20261122-2"
    assert folder.name.startswith("depth-2-")
    place = Path(str(folder)).relative_to(tmp_path / "data")
    assert published(tmp_path / "data") == [
        f"{place}/{name}" for name in ("manifest.json", "pages.csv", "pages.parquet")
    ]
    assert problems(folder) == []


async def test_the_parquet_file_holds_the_same_rows_typed(serve: Serve, tmp_path: Path) -> None:
    """Integers nullable, lists as lists, names that BigQuery admits."""
    serve()
    outcome = await export(tmp_path, fields=["depth", "metadata.title.len", "h1", "compliant.is_compliant"])
    table = pq.read_table(outcome.parquet)
    types = {field.name: field.type for field in table.schema}
    assert types == {
        "url": pa.string(),
        "depth": pa.int64(),
        "metadata_title_len": pa.int64(),
        "h1": pa.list_(pa.string()),
        "compliant_is_compliant": pa.bool_(),
    }
    assert outcome.csv is not None
    rows = rows_of(outcome.csv)
    assert table.column("url").to_pylist() == [row["url"] for row in rows]
    assert table.column("h1").to_pylist() == [json.loads(row["h1"]) for row in rows]


async def test_the_manifest_says_what_was_asked_and_what_came(serve: Serve, tmp_path: Path) -> None:
    """Request, fingerprint, job, counts, checks, files, versions, times."""
    served = serve(nb_lines=True)
    outcome = await export(tmp_path)
    manifest = read_manifest(outcome.manifest.parent)
    sent = next(seen for seen in served.sandbox.requests if seen.route is Route.CREATE_JOB)
    (job,) = manifest.jobs
    assert job.request == json.loads(sent.body)["payload"]
    assert (job.job_id, job.decision, job.filter) == ("1001", "submitted", "to depth 2")
    assert (manifest.rows_predicted, manifest.rows) == (494, 494)
    assert [(check.name, check.passed) for check in job.checks] == [
        ("bytes are those announced", True),
        ("checksums of the gzip members hold", True),
        ("rows are those counted with the same filter", True),
        ("no URL stands twice", True),
        ("rows are those the job reports", True),
    ]
    assert [column.name for column in manifest.columns] == ["url", "title", "meta_description", "h1"]
    assert set(manifest.versions) == {"botify-export", "python", "prefect", "pyarrow"}
    assert list(manifest.times) == ["intent", "submitted", "done", "downloaded", "published"]


async def test_the_same_command_again_makes_no_job_and_changes_no_byte(serve: Serve, tmp_path: Path) -> None:
    """Reused: found, proved against its manifest, and left as it is."""
    served = serve()
    first = await export(tmp_path)
    before = contents(tmp_path / "data")
    second = await export(tmp_path)
    assert second.status is Status.REUSED
    assert [job.decision for job in second.jobs] == ["reused"]
    of_the_run = {"status", "jobs", "flow_run_id", "flow_run_url"}
    assert second.model_dump(exclude=of_the_run) == first.model_dump(exclude=of_the_run)
    assert contents(tmp_path / "data") == before
    assert jobs_made(served) == 1


@pytest.mark.parametrize("damage", ["altered", "deleted", "no manifest"])
async def test_a_published_file_that_no_longer_holds_is_fetched_again_from_the_same_job(
    serve: Serve, tmp_path: Path, damage: str
) -> None:
    """One changed byte is enough; nothing is paid for."""
    served = serve()
    first = await export(tmp_path)
    before = contents(tmp_path / "data")
    assert first.csv is not None
    if damage == "altered":
        first.csv.write_bytes(first.csv.read_bytes()[:-2] + b"X\n")
    else:
        (first.csv if damage == "deleted" else first.manifest).unlink()
    second = await export(tmp_path)
    assert (second.status, second.jobs[0].decision) == (Status.COMPLETED, "reconnected")
    place = str(Path(str(first.csv)).relative_to(tmp_path / "data"))
    assert contents(tmp_path / "data")[place] == before[place]
    assert jobs_made(served) == 1


async def test_another_request_is_another_export_in_another_folder(serve: Serve, tmp_path: Path) -> None:
    """Two exports that differ in any part never share a file."""
    served = serve()
    folders = {
        (await export(tmp_path, **change)).manifest.parent
        for change in ({}, {"max_rows": 999}, {"max_depth": 1}, {"fields": ["title"]}, {"analysis": "20261122"})
    }
    assert len(folders) == 5
    assert jobs_made(served) == 5
    assert all(problems(folder) == [] for folder in folders)


async def test_refresh_pays_for_a_new_export_and_keeps_the_old(serve: Serve, tmp_path: Path) -> None:
    """On purpose: a second job, a second folder; afterwards the newer one is what is reused."""
    served = serve()
    first = await export(tmp_path)
    second = await export(tmp_path, refresh=True)
    third = await export(tmp_path)
    assert jobs_made(served) == 2
    assert second.manifest.parent.name == f"{first.manifest.parent.name}-r2"
    assert (third.status, third.manifest) == (Status.REUSED, second.manifest)
    assert problems(first.manifest.parent) == []


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"project_url": "https://example.com/acme/site"}, ProjectUrlRefused),
        ({"analysis": "19990101"}, AnalysisRefused),
        ({"analysis": "../../etc"}, AnalysisRefused),
        ({"fields": ["titel"]}, FieldRefused),
        ({"max_rows": 1, "analysis": "20261122"}, None),
        ({"project_url": "sandbox/unknown"}, NotFound),
        ({"project_url": "sandbox/forbidden"}, AccessDenied),
    ],
)
async def test_wrong_input_costs_nothing(
    serve: Serve, tmp_path: Path, parameters: dict[str, Any], error: type[ExportError] | None
) -> None:
    """Refused before any job is made (a limit of one row is no error: the home page fits)."""
    served = serve()
    if error is None:
        assert (await export(tmp_path, **parameters)).rows == 1
        return
    with pytest.raises(error):
        await export(tmp_path, **parameters)
    assert jobs_made(served) == 0
    assert published(tmp_path / "data") == []


async def test_without_a_token_nothing_is_asked(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one request."""
    served = serve()
    monkeypatch.delenv("BOTIFY_API_TOKEN")
    with pytest.raises(TokenMissing):
        await export(tmp_path)
    assert served.sandbox.requests == ()


async def test_a_wrong_token_is_botifys_no(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """401, exit code 3."""
    serve()
    monkeypatch.setenv("BOTIFY_API_TOKEN", "wrong")
    with pytest.raises(TokenRefused):
        await export(tmp_path)


async def test_the_token_goes_to_the_api_and_nowhere_else(serve: Serve, tmp_path: Path) -> None:
    """§8.17: not to the download host, not on a redirect; and it stands in no file."""
    served = serve("download 1: redirect")
    await export(tmp_path)
    downloads = [seen for seen in served.sandbox.requests if seen.route is Route.DOWNLOAD]
    assert len(downloads) >= 2
    assert all(seen.authorization is None for seen in downloads)
    kept = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in content for content in kept)


async def test_no_file_holds_the_address_of_the_download(serve: Serve, tmp_path: Path) -> None:
    """§5.5: whoever holds it can read the data."""
    served = serve()
    await export(tmp_path)
    secret = next(seen.path for seen in served.sandbox.requests if seen.route is Route.DOWNLOAD).split("/")[-2]
    kept = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for content in kept)


@pytest.mark.parametrize(
    "faults",
    [
        ["list analyses 1: answer 502 html"],
        ["query 1: answer 429", "query 3: drop"],
        ["list fields 1: answer 200 garbage"],
        ["create job 1: do, then drop"],
        ["create job 1: do, then answer 500 json"],
        ["create job 1: drop"],
        ["create job 1-2: answer 429"],
        ["create job 1: answer 400 code 1052"],
        ["read job 1-3: answer 502 html"],
        ["read job 2: drop"],
        ["download 1: cut at 1000"],
        ["download 1: flip at 4000"],
    ],
)
async def test_whatever_passes_is_survived_with_one_job(serve: Serve, tmp_path: Path, faults: list[str]) -> None:
    """Every fault that goes away: the files are those of an undisturbed run, and nothing is paid twice."""
    served = serve(*faults, job_seconds=0.1)
    outcome = await export(tmp_path)
    assert outcome.rows == 494
    assert problems(outcome.manifest.parent) == []
    assert jobs_made(served) == 1


async def test_a_failed_job_is_reported_and_does_not_block_the_next_run(serve: Serve, tmp_path: Path) -> None:
    """Exit code 3, Botify's own words; the next run submits a new job."""
    served = serve("create job 1: fail error the disk is full")
    with pytest.raises(JobFailed, match="the disk is full"):
        await export(tmp_path)
    assert published(tmp_path / "data") == []
    outcome = await export(tmp_path)
    assert outcome.jobs[0].job_id == "1002"
    assert jobs_made(served) == 2


async def test_a_job_that_outlasts_the_patience_is_waited_for_by_the_next_run(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4; the job stays known, and its file is delivered later."""
    served = serve(job_seconds=1.0)
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "0.1")
    with pytest.raises(JobStillRunning):
        await export(tmp_path)
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "60")
    outcome = await export(tmp_path)
    assert outcome.jobs[0].model_dump() == {"job_id": "1001", "decision": "reconnected"}
    assert jobs_made(served) == 1


@pytest.mark.parametrize("offset", [-3, 4])
async def test_rows_that_differ_from_the_count_are_not_published(serve: Serve, tmp_path: Path, offset: int) -> None:
    """Fails loudly, keeps the evidence, names it; the next run fetches again and pays nothing."""
    served = serve(export_rows_offset=offset)
    with pytest.raises(RowsDiffer, match=f"expected 494, found {494 + offset}") as failure:
        await export(tmp_path)
    assert published(tmp_path / "data") == []
    assert failure.value.exit_code == 3
    kept = Path(str(failure.value).rpartition("kept in ")[2].rstrip("."))
    assert (kept / "pages.csv").exists()
    with pytest.raises(RowsDiffer):
        await export(tmp_path)
    assert jobs_made(served) == 1


async def test_the_user_who_knows_why_may_accept_a_difference(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOTIFY_ROW_TOLERANCE, without paying again."""
    served = serve(export_rows_offset=-3)
    with pytest.raises(RowsDiffer):
        await export(tmp_path)
    monkeypatch.setenv("BOTIFY_ROW_TOLERANCE", "0.01")
    outcome = await export(tmp_path)
    assert (outcome.rows, outcome.jobs[0].decision) == (491, "reconnected")
    assert jobs_made(served) == 1


async def test_a_file_that_is_gone_costs_nothing_unless_asked_for(serve: Serve, tmp_path: Path) -> None:
    """§5.5: the fresh link is dead as well; only `--refresh` pays for a new export."""
    served = serve("download 1-4: expired 410")
    for _ in range(2):
        with pytest.raises(FileGone) as gone:
            await export(tmp_path)
        assert "--refresh" in gone.value.next_step
    assert jobs_made(served) == 1
    outcome = await export(tmp_path, refresh=True)
    assert (outcome.status, jobs_made(served)) == (Status.COMPLETED, 2)


async def test_urls_without_a_depth_are_reported(serve: Serve, tmp_path: Path) -> None:
    """§8.8: counted, named, and never silently dropped."""
    serve(null_depth_rows=5)
    outcome = await export(tmp_path)
    assert (outcome.rows, outcome.urls_total) == (494, 3816)
    assert read_manifest(outcome.manifest.parent).urls_without_depth == 5


async def test_a_home_page_that_does_not_fit_is_an_error_that_says_so(serve: Serve, tmp_path: Path) -> None:
    """Depth 0 alone over the limit: nothing is cut silently."""
    serve(scale=3)
    with pytest.raises(DepthRefused, match="Depth 0 alone holds 3 URLs, more than the limit of 2 rows"):
        await export(tmp_path, max_rows=2)
