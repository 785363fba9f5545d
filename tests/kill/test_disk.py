"""Disks that are full, read-only, or gone in the middle: a clear error, nothing lost, no job by mistake."""

import shutil
from pathlib import Path

import pytest

from deployments.sandbox import Route
from tests.kill.conftest import Runs
from tests.kill.test_kills import files_of
from tests.served import Serve, wait_for


def test_a_disk_without_room_for_the_intent_makes_no_job(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """What cannot be written down is not paid for; exit code 4."""
    served = serve()
    ended = runs.run(tmp_path, served, file_size_limit=900)
    assert ended.code == 4, ended.err
    assert "cannot be written" in ended.err
    assert "Free space or correct the permissions" in ended.err
    assert "Traceback" not in ended.err
    assert served.sandbox.jobs == ()
    assert runs.run(tmp_path, served).code == 0
    assert len(served.sandbox.jobs) == 1


def test_a_disk_that_is_full_in_the_middle_publishes_nothing_and_loses_nothing(
    runs: Runs, serve: Serve, tmp_path: Path
) -> None:
    """The job is known; with room again its file is fetched, and nothing is paid for twice."""
    served = serve()
    ended = runs.run(tmp_path, served, file_size_limit=20_000)
    assert ended.code == 4, ended.err
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("data/sandbox/*/*/*"))
    again = runs.run(tmp_path, served)
    assert again.code == 0, again.err
    assert [job["decision"] for job in again.answer["jobs"]] == ["reconnected"]
    assert len(served.sandbox.jobs) == 1
    assert files_of(tmp_path)


def test_a_file_system_that_takes_nothing_makes_no_job(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """Found out before anything is sent; /sys takes no folder, from root neither."""
    served = serve()
    ended = runs.run(tmp_path, served, "--output-dir", "/sys/botify-data")
    assert ended.code == 4, ended.err
    assert "/sys/botify-data" in ended.err
    assert "Traceback" not in ended.err
    assert served.sandbox.jobs == ()


@pytest.mark.parametrize("part", ["data", "data/.botify-export", "data/.botify-export/ledger"])
def test_a_data_folder_that_is_deleted_half_way_is_made_again(
    runs: Runs, serve: Serve, tmp_path: Path, part: str
) -> None:
    """The run goes on with the job that it has; the next one finds the export published."""
    served = serve(job_seconds=1.0)
    running = runs.start(tmp_path, served)
    wait_for(served.sandbox, Route.READ_JOB)
    shutil.rmtree(tmp_path / part)
    ended = running.wait()
    assert ended.code == 0, ended.err
    assert files_of(tmp_path)
    assert runs.run(tmp_path, served).answer["status"] == "reused"
    assert len(served.sandbox.jobs) == 1
