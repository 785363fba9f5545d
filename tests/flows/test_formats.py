"""Which files an export has: `--format` and `--excel`."""

from pathlib import Path
from typing import Any

import pytest

from flows.export_crawl import export_crawl
from tasks.delivery.manifest import problems
from tasks.exports.outcome import Outcome, Status
from tasks.exports.wanted import OutputFormat
from tests.served import BOOST_URL, Serve

pytestmark = pytest.mark.anyio


async def export(tmp_path: Path, **parameters: Any) -> Outcome:
    asked: dict[str, Any] = {"project_url": BOOST_URL, "max_rows": 1000, "output_dir": str(tmp_path / "data")}
    outcome: Outcome = await export_crawl(**(asked | parameters))
    return outcome


def names(outcome: Outcome) -> set[str]:
    return {path.name for path in outcome.manifest.parent.iterdir()}


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({}, {"pages.csv", "pages.parquet"}),
        ({"file_format": OutputFormat.CSV}, {"pages.csv"}),
        ({"file_format": OutputFormat.PARQUET}, {"pages.parquet"}),
        ({"file_format": OutputFormat.CSV, "excel": True}, {"pages.csv", "pages.excel.csv"}),
        ({"file_format": OutputFormat.PARQUET, "excel": True}, {"pages.csv", "pages.parquet", "pages.excel.csv"}),
    ],
)
async def test_the_files_wanted_are_the_files_published(
    serve: Serve, tmp_path: Path, parameters: dict[str, Any], files: set[str]
) -> None:
    """And named in the outcome; the same rows in each."""
    serve()
    outcome = await export(tmp_path, **parameters)
    assert names(outcome) == files | {"manifest.json"}
    assert (outcome.csv is not None) == ("pages.csv" in files)
    assert (outcome.parquet is not None) == ("pages.parquet" in files)
    assert len(outcome.excel) == ("pages.excel.csv" in files)
    assert problems(outcome.manifest.parent) == []
    assert (await export(tmp_path, **parameters)).status is Status.REUSED


async def test_another_format_is_no_other_job(serve: Serve, tmp_path: Path) -> None:
    """Fetched again from the same job; what was there stays, for whoever reads it."""
    served = serve()
    first = await export(tmp_path, file_format=OutputFormat.CSV)
    second = await export(tmp_path, file_format=OutputFormat.PARQUET)
    assert second.jobs[0].decision == "reconnected"
    assert names(second) == {"manifest.json", "pages.csv", "pages.parquet"}
    assert second.manifest == first.manifest
    assert (await export(tmp_path, file_format=OutputFormat.CSV)).status is Status.REUSED
    assert len(served.sandbox.jobs) == 1
