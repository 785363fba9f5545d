"""What a run leaves on its page in Prefect: artifacts, log and states."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import FlowRunSort
from prefect.logging.handlers import APILogHandler

from deployments.sandbox import TOKEN
from flows.export_crawl import export_crawl
from tasks.exports.errors import FieldRefused
from tasks.exports.outcome import Outcome
from tests.served import BOOST_URL, Serve

pytestmark = pytest.mark.anyio


async def export(tmp_path: Path, **parameters: Any) -> Outcome:
    asked: dict[str, Any] = {"project_url": BOOST_URL, "max_rows": 1000, "output_dir": str(tmp_path / "data")}
    outcome: Outcome = await export_crawl(**(asked | parameters))
    return outcome


async def artifacts_of(run: str | None) -> dict[str | None, Artifact]:
    """The artifacts of a run by their type."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]))
    async with get_client() as client:
        return {artifact.type: artifact for artifact in await client.read_artifacts(artifact_filter=of_run)}


async def test_a_run_leaves_its_progress_its_plan_and_its_report(serve: Serve, tmp_path: Path) -> None:
    """One artifact of each kind, under keys that make a project's history."""
    serve(job_seconds=0.2)
    outcome = await export(tmp_path)
    artifacts = await artifacts_of(outcome.flow_run_id)
    assert {kind: artifact.key for kind, artifact in artifacts.items()} == {
        "progress": "progress-sandbox-www-boost-org",
        "table": "depth-plan-sandbox-www-boost-org",
        "image": "depth-picture-sandbox-www-boost-org",
        "markdown": "export-sandbox-www-boost-org",
    }
    assert artifacts["progress"].data == 100
    assert '"URLs to this depth": "494"' in str(artifacts["table"].data)
    report = str(artifacts["markdown"].data)
    assert "494 of 3,811 URLs (13.0 %)" in report
    assert "1001 (submitted)" in report
    assert f"`{outcome.csv}`" in report
    assert "Concept Assignable" in report


async def test_the_log_of_a_run_can_be_followed_and_holds_no_secret(serve: Serve, tmp_path: Path) -> None:
    """Our sentences on the run's page; neither the token nor the address of the download."""
    served = serve()
    outcome = await export(tmp_path)
    assert outcome.flow_run_id
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(outcome.flow_run_id)]))
    await APILogHandler.aflush()
    async with get_client() as client:
        messages = [log.message for log in await client.read_logs(log_filter=of_run)]
    assert "Analysis 20261122-2 of sandbox/www.boost.org." in messages
    assert "Job 1001: submitted." in messages
    assert not any(TOKEN in message or served.addresses.files_url in message for message in messages)


async def test_a_refused_run_fails_with_its_sentence_and_no_traceback(
    serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the state's message, where the page shows it."""
    serve()
    with pytest.raises(FieldRefused):
        await export(tmp_path, fields=["titel"])
    assert "Traceback" not in capfd.readouterr().err
    async with get_client() as client:
        newest = (await client.read_flow_runs(limit=1, sort=FlowRunSort.START_TIME_DESC))[0]
    assert newest.state
    assert newest.state.is_failed()
    assert "no field 'titel'" in str(newest.state.message)


async def test_cached_results_lie_in_the_data_folder(serve: Serve, tmp_path: Path) -> None:
    """Whatever the working directory; small JSON, no secret."""
    serve()
    await export(tmp_path)
    results = sorted((tmp_path / "data" / ".botify-export" / "task-results").iterdir())
    assert [path.name.rpartition("-v1-")[0] for path in results] == [
        "calculate-depth",
        "download-and-unpack",
        "submit-job",
    ]
    assert all(b'"type": "json"' in path.read_bytes() or b'"json"' in path.read_bytes() for path in results)
    assert not any(TOKEN.encode() in path.read_bytes() for path in results)
