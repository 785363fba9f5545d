"""SIGKILL in the middle of an export of the whole site, races for it, and the same command again.

Slices run side by side, so the order of their boundaries is not fixed: they are named by how many there were.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.sandbox import Route, Sandbox, serving
from tests.kill.conftest import Ended, Runs
from tests.kill.test_kills import STAGING, files_of, whole_or_nothing
from tests.served import Serve, Served, wait_for

# Four slices: to depth 2, depth 3 in two, and the deeper ones.
LIMITS = ("--max-rows", "2500")
FULL = (*LIMITS, "--coverage", "full")
SLICES = 4
FOLDER = "rename sandbox/www.boost.org/20261122-2/full-X"
SITE, SLICE = "rename .botify-export/sites/X.json", "rename .botify-export/ledger/X.json"

BOUNDARIES = (
    f"before {SITE}",  # the plan
    f"after {SLICE} 3",  # three intents, and perhaps a job
    "before POST /jobs 2",
    "after POST /jobs 3",
    "after POST /jobs 4",
    "before GET the file 2",
    f"before rename {STAGING}/X/receipt.json 3",
    f"before sync {STAGING}/X/pages.parquet",  # of the merged files: a slice has none
    f"before {FOLDER}",
    f"after {FOLDER}",
    f"after {SLICE} {4 * SLICES + 2}",  # intent, submitted, done, downloaded: two of the slices are merged
    f"before {SITE} 2",  # published
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One sandbox for all: its address is part of the fingerprint, and so of the file's metadata."""
    sandbox = Sandbox()
    with serving(sandbox) as addresses:
        yield Served(sandbox, addresses)


@pytest.fixture(scope="module")
def undisturbed(runs: Runs, served: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = runs.run(folder, served, *FULL)
    assert ended.code == 0, ended.err
    assert set(BOUNDARIES) <= set(ended.boundaries)
    return files_of(folder)


def jobs_by_slice(served: Served, since: int = 0) -> Counter[str]:
    """How many jobs each filter has."""
    return Counter(json.dumps(job.filled["query"]) for job in served.sandbox.jobs[since:])


def decisions(ended: Ended) -> list[str]:
    return [job["decision"] for job in ended.answer["jobs"]]


def test_the_plan_is_durable_before_the_first_job_and_published_last(
    runs: Runs, served: Served, tmp_path: Path
) -> None:
    """Power-loss order: the plan, the jobs, the merged files, their folder, and then what says so."""
    reached = runs.run(tmp_path, served, *FULL).boundaries
    order = [
        f"after {SITE}",
        "after sync .botify-export/sites",
        "before POST /jobs",
        "after POST /jobs 4",
        f"after sync {STAGING}/X/pages.parquet",
        f"after sync {STAGING}/X/.manifest.json.part",
        f"before {FOLDER}",
        f"after {FOLDER}",
        f"before {SLICE} {4 * SLICES + 1}",
        f"after {SLICE} {5 * SLICES}",
        f"before {SITE} 2",
    ]
    assert [reached.index(name) for name in order] == sorted(reached.index(name) for name in order)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_run_that_is_killed_costs_nothing(
    runs: Runs, served: Served, undisturbed: dict[str, bytes], tmp_path: Path, boundary: str
) -> None:
    """One job for each slice, the same bytes; what stood under a final name in between was whole."""
    before = len(served.sandbox.jobs)
    assert runs.run(tmp_path, served, *FULL, kill_at=boundary).code == -9
    assert whole_or_nothing(tmp_path)
    again = runs.run(tmp_path, served, *FULL)
    assert again.code == 0, again.err
    assert list(jobs_by_slice(served, before).values()) == [1] * SLICES
    assert files_of(tmp_path) == undisturbed


def test_a_run_that_is_killed_again_and_again_costs_nothing(
    runs: Runs, served: Served, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """With each run a little further; what is left of it in the end is what is published."""
    before = len(served.sandbox.jobs)
    merging = f"before sync {STAGING}/X/pages.parquet"
    for boundary in ("after POST /jobs", "after GET the file", merging, f"after {FOLDER}"):
        assert runs.run(tmp_path, served, *FULL, kill_at=boundary).code == -9
    again = runs.run(tmp_path, served, *FULL)
    assert again.code == 0, again.err
    assert list(jobs_by_slice(served, before).values()) == [1] * SLICES
    assert files_of(tmp_path) == undisturbed
    assert list((tmp_path / "data" / STAGING).iterdir()) == []


def test_the_answers_to_two_posts_are_lost(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """Their jobs are found in Botify's list, each by the slice that it is of."""
    served = serve("create job 2: do, then drop", "create job 3: do, then answer 500 json", listed_after=2)
    ended = runs.run(tmp_path, served, *FULL)
    assert ended.code == 0, ended.err
    assert sorted(decisions(ended)) == ["adopted", "adopted", "submitted", "submitted"]
    assert list(jobs_by_slice(served).values()) == [1] * SLICES
    assert files_of(tmp_path)


def test_a_refresh_that_is_killed_goes_on_and_pays_for_each_slice_once(
    runs: Runs, serve: Serve, tmp_path: Path
) -> None:
    """However often it has to be repeated."""
    served = serve()
    assert runs.run(tmp_path, served, *FULL).code == 0
    for boundary in ("after POST /jobs 2", f"before {FOLDER}-r2"):
        assert runs.run(tmp_path, served, *FULL, "--refresh", kill_at=boundary).code == -9
    again = runs.run(tmp_path, served, *FULL, "--refresh")
    assert again.code == 0, again.err
    assert list(jobs_by_slice(served).values()) == [2] * SLICES
    assert runs.run(tmp_path, served, *FULL).answer["manifest"] == again.answer["manifest"]


def test_two_runs_of_one_site_make_its_jobs_once(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """The same command twice at the same moment: the second waits, and reuses."""
    served = serve(job_seconds=0.5)
    ended = [run.wait() for run in [runs.start(tmp_path, served, *FULL) for _ in range(2)]]
    assert [run.code for run in ended] == [0, 0], [run.err for run in ended]
    assert sorted(decisions(run)[0] for run in ended) == ["reused", "submitted"]
    assert list(jobs_by_slice(served).values()) == [1] * SLICES
    assert files_of(tmp_path)


@pytest.mark.parametrize(("first", "second"), [(FULL, LIMITS), (LIMITS, FULL)])
def test_a_depth_and_the_whole_site_share_their_job(
    runs: Runs, serve: Serve, tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    """Whichever comes first while the other runs: one job for the depth, and both are delivered whole."""
    served = serve(job_seconds=1.0)
    running = runs.start(tmp_path, served, *first)
    wait_for(served.sandbox, Route.CREATE_JOB)
    ended = [runs.start(tmp_path, served, *second).wait(), running.wait()]
    assert [run.code for run in ended] == [0, 0], [run.err for run in ended]
    assert list(jobs_by_slice(served).values()) == [1] * SLICES
    assert whole_or_nothing(tmp_path)
    assert sorted(run.answer["rows"] for run in ended) == [494, 3811]


def test_a_site_that_is_found_published_leaves_the_export_of_a_depth_alone(
    runs: Runs, serve: Serve, tmp_path: Path
) -> None:
    """The depth is being fetched from the job that they share, when the site's command comes once more."""
    served = serve(f"download {SLICES + 1}: delay 3")
    assert runs.run(tmp_path, served, *FULL).code == 0
    depth = runs.start(tmp_path, served, *LIMITS)
    while sum(seen.route is Route.DOWNLOAD for seen in served.sandbox.requests) <= SLICES:
        assert not depth.codes.qsize()
    site = runs.run(tmp_path, served, *FULL)
    ended = depth.wait()
    assert (site.code, ended.code) == (0, 0), ended.err
    assert (decisions(site), decisions(ended)) == (["reused"] * SLICES, ["reconnected"])
    assert "fetched again" not in ended.err
    assert whole_or_nothing(tmp_path)
