"""A download that the death of its process cuts in the middle."""

from pathlib import Path

from deployments.sandbox import Route
from tests.kill.conftest import Runs
from tests.kill.test_kills import files_of
from tests.served import Serve, wait_for_file


def test_a_download_goes_on_where_a_killed_process_left_it(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """With Range and If-Range, from the last proof; the rest is fetched and the files are whole."""
    served = serve("download 1: stall at 2000000", scale=100)
    first = runs.start(tmp_path, served, "--max-rows", "400000")
    wait_for_file(tmp_path, "data/.botify-export/staging/*.part/archive.json", 1_500_000)
    first.kill()
    assert first.wait().code == -9
    again = runs.run(tmp_path, served, "--max-rows", "400000")
    assert again.code == 0, again.err
    assert "MB of the file are here already" in again.err
    asked = [seen.headers.get("range", "") for seen in served.sandbox.requests if seen.route is Route.DOWNLOAD]
    assert len(asked) == 2
    assert int(asked[1].removeprefix("bytes=").removesuffix("-")) >= 1_000_000
    assert len(served.sandbox.jobs) == 1
    assert files_of(tmp_path)
    assert not list(tmp_path.glob("data/.botify-export/staging/*.part"))


def test_a_file_that_changed_meanwhile_is_fetched_from_zero(runs: Runs, serve: Serve, tmp_path: Path) -> None:
    """If-Range: the host sends the new file whole, and the old part is forgotten."""
    served = serve("download 1: stall at 2000000", scale=100, entity_tag="changing")
    first = runs.start(tmp_path, served, "--max-rows", "400000")
    wait_for_file(tmp_path, "data/.botify-export/staging/*.part/archive.json", 1_500_000)
    first.kill()
    first.wait()
    again = runs.run(tmp_path, served, "--max-rows", "400000")
    assert again.code == 0, again.err
    assert len(served.sandbox.jobs) == 1
    assert files_of(tmp_path)
