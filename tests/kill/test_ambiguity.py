"""The worst moment: the job is made, and the process that would have written down its id is dead."""

from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox import Route
from tests.kill.conftest import Runs
from tests.kill.test_kills import files_of
from tests.served import Serve, wait_for


@pytest.mark.parametrize(
    "behaviour",
    [
        {"listed_after": 3},
        {"echo_export_job_name": False},
        {"echo_export_job_name": False, "echo_owner": False, "clock_skew": -300.0},
        {"clock_skew": 300.0},
        {"foreign_jobs": 120, "list_size_limit": 6},
        {"foreign_jobs": 120, "list_size_limit": 6, "job_order": "shuffled", "echo_export_job_name": False},
        {"job_order": "oldest", "foreign_jobs": 40, "list_size_limit": 6},
    ],
)
def test_a_job_is_found_again_however_the_list_behaves(
    runs: Runs, serve: Serve, tmp_path: Path, behaviour: dict[str, Any]
) -> None:
    """Listed late, without our tag, among twenty pages of others, under another clock: adopted, never made again."""
    served = serve(**behaviour)
    assert runs.run(tmp_path, served, kill_at="after POST /jobs").code == -9
    again = runs.run(tmp_path, served)
    assert again.code == 0, again.err
    assert [job["decision"] for job in again.answer["jobs"]] == ["adopted"]
    assert len(served.sandbox.jobs) == 1
    assert files_of(tmp_path)


def test_a_job_that_was_never_made_is_made_once(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """Killed with the intent on disk and nothing sent: after the grace, submitted once more."""
    served = serve()
    assert runs.run(tmp_path, served, kill_at="before POST /jobs").code == -9
    again = runs.run(tmp_path, served)
    assert [job["decision"] for job in again.answer["jobs"]] == ["resubmitted"]
    assert len(served.sandbox.jobs) == 1


def test_a_run_that_is_killed_while_it_settles_is_settled_by_the_next(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """The answer is dropped, then the process dies in the middle of looking for the job."""
    served = serve("create job 1: do, then drop", listed_after=6)
    assert runs.run(tmp_path, served, kill_at="after GET /jobs").code == -9
    assert runs.run(tmp_path, served, kill_at="before GET /jobs 2").code == -9
    again = runs.run(tmp_path, served)
    assert again.code == 0, again.err
    assert len(served.sandbox.jobs) == 1


def test_a_refresh_that_is_killed_goes_on_and_pays_once(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """`--refresh` makes one new job, however often it has to be repeated."""
    served = serve()
    assert runs.run(tmp_path, served).code == 0
    for boundary in ("after POST /jobs", "before GET the file"):
        assert runs.run(tmp_path, served, "--refresh", kill_at=boundary).code == -9
    again = runs.run(tmp_path, served, "--refresh")
    assert again.code == 0, again.err
    assert len(served.sandbox.jobs) == 2
    assert runs.run(tmp_path, served).answer["manifest"] == again.answer["manifest"]


def test_fifty_races_for_one_job_make_one_job_each(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """Two processes at the same moment: one submits, the other finds its job."""
    served = serve()
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = [run.wait() for run in [runs.start(folder, served, program="submission") for _ in range(2)]]
        assert [run.code for run in ended] == [0, 0], [run.err for run in ended]
        assert sorted(run.answer["jobs"][0]["decision"] for run in ended) == ["reconnected", "submitted"]
        # No name comes back twice: jobs of another folder are never adopted.
        assert len(served.sandbox.jobs) == number + 1


def test_the_second_command_waits_for_the_first_says_for_whom_and_reuses(
    runs: Runs, serve: Serve, tmp_path: Path
) -> None:
    """The same command twice, by hand and by schedule, while the first still waits for its job."""
    served = serve(job_seconds=3)
    first = runs.start(tmp_path, served)
    wait_for(served.sandbox, Route.READ_JOB)
    second = runs.start(tmp_path, served).wait()
    assert first.wait().code == second.code == 0, second.err
    assert f"is being made by process {first.pid} on " in second.err
    assert [job["decision"] for job in second.answer["jobs"]] == ["reused"]
    assert len(served.sandbox.jobs) == 1


def test_different_exports_do_not_wait_for_each_other(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """One hangs at Botify; the other is done meanwhile."""
    served = serve("create job 1: never finish")
    first = runs.start(tmp_path, served)
    wait_for(served.sandbox, Route.READ_JOB)
    second = runs.run(tmp_path, served, "--fields", "title")
    assert second.code == 0, second.err
    assert "waiting for it" not in second.err
    first.kill()
    assert first.wait().code == -9


def test_the_run_after_a_killed_holder_does_not_wait(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """A lock that dies with its holder: SIGKILL in the middle of the wait, and the next goes on at once."""
    served = serve(job_seconds=1.0)
    assert runs.run(tmp_path, served, kill_at="after GET /jobs/ID 3").code == -9
    again = runs.run(tmp_path, served)
    assert again.code == 0, again.err
    assert "waiting for it" not in again.err
    assert [job["decision"] for job in again.answer["jobs"]] == ["reconnected"]
