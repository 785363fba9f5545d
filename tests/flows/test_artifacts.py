"""What a run shows on its page: picture, progress and report, read back through Prefect's client."""

import asyncio
import json
import re
import socket
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.export_crawl import export_crawl
from tasks.artifacts import guarded
from tasks.artifacts.depth_table import show_depth_plan
from tasks.artifacts.markdown import code, text
from tasks.artifacts.progress import Progress, SliceProgress, Step, progress_artifact, show, watching
from tasks.artifacts.report import botify_page, report, show_report, stage_seconds
from tasks.delivery.manifest import read_manifest
from tasks.exports.depth import DepthTable, choose_depth
from tasks.exports.errors import JobFailed
from tasks.exports.outcome import Outcome
from tasks.exports.project_address import ProjectAddress
from tests.served import BOOST_URL, Serve

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOTIFY = "https://api.botify.com/v1"


async def export(tmp_path: Path, **parameters: Any) -> Outcome:
    """Run the flow: 494 URLs to depth 2, unless told otherwise."""
    asked: dict[str, Any] = {"project_url": BOOST_URL, "max_rows": 1000, "output_dir": str(tmp_path / "data")}
    outcome: Outcome = await export_crawl(**(asked | parameters))
    return outcome


async def artifacts_of(run: str | None) -> dict[str | None, Artifact]:
    """The artifacts of a run by their key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]))
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=of_run, sort=ArtifactSort.ID_DESC)
    assert len({artifact.key for artifact in found}) == len(found), "one version of each a run"
    return {artifact.key: artifact for artifact in found}


def drawn(artifact: Artifact) -> list[str]:
    """The texts of a picture."""
    content = b64decode(str(artifact.data).partition("base64,")[2])
    return [str(each.text) for each in ET.fromstring(content).iter("{http://www.w3.org/2000/svg}text")]


def facts(markdown: object) -> dict[str, str]:
    """The rows of the report's tables of facts."""
    return dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.*) \|$", str(markdown), re.MULTILINE))


async def test_a_run_draws_its_depths_once_also_when_the_plan_is_known(serve: Serve, tmp_path: Path) -> None:
    """Every run's page has the picture and the table, whether Botify was asked or a cached plan used."""
    serve(null_depth_rows=5)
    for run in (await export(tmp_path), await export(tmp_path)):
        artifacts = await artifacts_of(run.flow_run_id)
        picture = artifacts["depth-picture-sandbox-www-boost-org"]
        assert picture.type == "image"
        assert str(picture.description).startswith("494 URLs to depth 2, 12.9 % of the site; 3,576 to depth 3")
        assert {"sandbox/www.boost.org 20261122-2: URLs per depth", "494 of 3,816 URLs, 12.9 %"} <= set(drawn(picture))
        assert "3,576 URLs to depth 3 would exceed the limit of 1,000" in drawn(picture)
        table = artifacts["depth-plan-sandbox-www-boost-org"]
        assert json.loads(str(table.data))[-1] | {"Depth": "none", "URLs": "5"} == json.loads(str(table.data))[-1]


async def test_a_whole_site_draws_its_slices_and_moves_a_bar_for_each(serve: Serve, tmp_path: Path) -> None:
    """Six slices: six bars that end full, beside that of the run."""
    serve()
    artifacts = await artifacts_of((await export(tmp_path, coverage="full")).flow_run_id)
    assert "3,811 URLs in 6 slices of at most 1,000 rows" in drawn(artifacts["slice-picture-sandbox-www-boost-org"])
    bars = {key: bar for key, bar in artifacts.items() if bar.type == "progress"}
    run = "progress-sandbox-www-boost-org"
    assert bars.keys() == {run, *(f"{run}-slice-{number}" for number in range(1, 7))}
    assert {bar.data for bar in bars.values()} == {100}
    assert bars[f"{run}-slice-1"].description == "Slice 1 of 6, 494 URLs: done"


async def test_of_many_slices_only_the_run_itself_has_a_bar(serve: Serve, tmp_path: Path) -> None:
    """Each update costs the server."""
    serve()
    artifacts = await artifacts_of((await export(tmp_path, coverage="full", max_rows=450)).flow_run_id)
    assert [key for key, bar in artifacts.items() if bar.type == "progress"] == ["progress-sandbox-www-boost-org"]


async def test_a_slice_that_fails_says_so_in_its_own_bar(serve: Serve, tmp_path: Path) -> None:
    """Where it stopped, and why; the others go on to their end."""
    serve("create job 2: fail error the cluster is on fire")
    seen: list[Progress] = []
    with watching(seen.append), pytest.raises(JobFailed):
        await export(tmp_path, coverage="full")
    async with get_client() as client:
        found = await client.read_artifacts(sort=ArtifactSort.CREATED_DESC, limit=30)
    stopped = [bar for bar in found if "stopped: " in str(bar.description)]
    assert len(stopped) == 1
    assert "the cluster is on fire" in str(stopped[0].description)


async def test_the_report_tells_what_was_asked_what_came_and_why_to_trust_it(serve: Serve, tmp_path: Path) -> None:
    """Every fact as the manifest has it; paths as code, no link that leads nowhere."""
    serve(job_seconds=1, nb_lines=True, null_depth_rows=5)
    outcome = await export(tmp_path, fields=["depth", "h1"])
    artifacts = await artifacts_of(outcome.flow_run_id)
    artifact = artifacts["export-sandbox-www-boost-org"]
    told = str(artifact.data)
    manifest = read_manifest(outcome.manifest.parent)
    size = {file.name: file.size for file in manifest.files}
    assert artifact.description == "20261122-2 to depth 2: 494 URLs, completed"
    assert facts(told) == {
        "Project": "`sandbox/www.boost.org`",
        "Analysis": "`20261122-2`",
        "URLs": "to depth 2",
        "Limit": "1,000 rows a job",
        "Fields": "`url`, `depth`, `h1`",
        "Rows": "494, as counted before",
        "Coverage": "494 of 3,816 URLs (12.9 %); 5 have no depth and are not among them",
        "Credits": "494",
        "Job": "1001 (submitted)",
        "CSV": f"`{outcome.csv}` ({size['pages.csv'] / 1e3:.1f} kB)",
        "Parquet": f"`{outcome.parquet}` ({size['pages.parquet'] / 1e3:.1f} kB)",
        "Manifest": f"`{outcome.manifest}`",
    }
    assert "| `1001` | rows are those counted with the same filter | 494 | 494 | yes |" in told
    assert "| `1001` | rows are those the job reports | 494 | 494 | yes |" in told
    assert re.search(r"\| Botify's job, until it was seen done \| [\d.]+ s \|", told)
    assert "doc/html/Assignable.html` | 2 |" in told
    assert "published by this run" in told.lower()
    assert "](" not in told
    assert "botify-sandbox-www-boost-org" not in artifacts, "the sandbox's project has no page at Botify"


async def test_the_report_of_a_reused_export_says_that_nothing_was_paid(serve: Serve, tmp_path: Path) -> None:
    """And when it was published."""
    serve()
    published = read_manifest((await export(tmp_path)).manifest.parent).times["published"]
    outcome = await export(tmp_path)
    told = str((await artifacts_of(outcome.flow_run_id))["export-sandbox-www-boost-org"].data)
    assert f"**Reused.** This export was published before on {published:%Y-%m-%d at %H:%M} UTC" in told
    assert facts(told)["Credits"] == "none; 494 were paid before"
    assert facts(told)["Job"] == "1001 (reused)"
    assert "### How long it took then" in told


async def test_the_report_of_a_site_tells_what_was_paid_before(serve: Serve, tmp_path: Path) -> None:
    """The export to a depth that came before is the first of its six slices; their checks are counted."""
    serve()
    await export(tmp_path)
    outcome = await export(tmp_path, coverage="full")
    told = str((await artifacts_of(outcome.flow_run_id))["export-sandbox-www-boost-org"].data)
    assert facts(told)["URLs"] == "the whole site, in 6 slices"
    assert facts(told)["Credits"] == "3,317; 494 more were paid before"
    assert facts(told)["Jobs"].startswith("6: ")
    assert "| all | rows are all URLs of the analysis | 3,811 | 3,811 | yes |" in told
    assert "24 of 24 checks of the 6 jobs hold; the manifest names each." in told
    assert "| from the plan of the slices to the files |" in told


async def test_only_a_project_at_botify_gets_a_link(serve: Serve, tmp_path: Path) -> None:
    """Where the export came from Botify's own API: the project's page, as the browser shows it."""
    serve()
    outcome = await export(tmp_path)

    @flow
    async def reporting() -> str:
        await show_report(outcome, BOTIFY)
        return str(flow_run.id)

    artifacts = await artifacts_of(await reporting())
    address = "https://app.botify.com/sandbox/www.boost.org/"
    assert artifacts["botify-sandbox-www-boost-org"].data == f"[sandbox/www.boost.org at Botify]({address})"
    told = str(artifacts["export-sandbox-www-boost-org"].data)
    assert facts(told)["Project"] == f"`sandbox/www.boost.org`, [its page at Botify]({address})"
    assert botify_page("http://127.0.0.1:8080/v1", "sandbox", "www.boost.org") is None
    assert botify_page("https://api.botify.com.example/v1", "a", "b") is None


async def test_a_crawled_text_stays_a_text(serve: Serve, tmp_path: Path) -> None:
    """Whatever a page calls itself: no markup, no cell, no line of its own."""
    serve()
    outcome = await export(tmp_path)
    title = "<script>x</script> | `a` [b](https://evil.example) **c** \\| ![d](e)\n# f &lt;"
    rows = pd.DataFrame({"url": ["https://x.example/`|`"], "title": [title]})
    told = report(outcome, read_manifest(outcome.manifest.parent), rows)
    line = next(line for line in told.splitlines() if "x.example" in line)
    assert line.startswith("| `https://x.example/%60%7C%60` | ")
    cell = line.removeprefix("| `https://x.example/%60%7C%60` | ").removesuffix(" |")
    assert not set(cell) & set("<>|`[]*\\!\n")
    assert unescape(cell) == " ".join(title.split())[:39] + "…"
    assert not set(text(title)) & set("<>|`[]*\\!\n")
    assert unescape(text(title)) == " ".join(title.split())
    assert code("a\n`b`|c") == "`a %60b%60%7Cc`"


def test_stages_are_told_only_where_both_their_ends_are_known() -> None:
    """A history that begins in the middle, or a clock that was set back, is no reason to guess."""
    times = {"submitted": NOON, "done": NOON + timedelta(seconds=90), "downloaded": NOON - timedelta(seconds=1)}
    assert stage_seconds(times) == [("Botify's job, until it was seen done", 90)]
    assert stage_seconds({}) == []


@pytest.fixture
def frozen_server() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api"


async def test_a_server_that_never_answers_holds_nobody_up(
    frozen_server: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bars together, the pictures and the report: each is given up after the same patience."""
    serve()
    outcome = await export(tmp_path)
    plan = choose_depth(DepthTable.of([(0, 1), (1, 10)]), max_rows=5)
    monkeypatch.setattr(guarded, "PATIENCE", 0.05)
    with temporary_settings({PREFECT_API_URL: frozen_server}):
        async with asyncio.timeout(30), progress_artifact("progress-x"):
            slices = SliceProgress([1] * 10)
            for number in range(10):
                with slices.of_slice(number):
                    show(Step.POLL, "Waiting")
            await show_depth_plan(plan, ProjectAddress(org="a", project="b"), "20260101")
            await show_report(outcome, BOTIFY)


async def test_a_report_that_cannot_be_made_ends_no_run(serve: Serve, tmp_path: Path) -> None:
    """Files that somebody removed the moment after they were published."""
    serve()
    outcome = await export(tmp_path)
    outcome.manifest.unlink()
    await show_report(outcome, BOTIFY)
