"""SIGKILL at every boundary of the real command, and the same command again.

Whatever dies when: one job, the same bytes, nothing half under a final name.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.sandbox import Sandbox, serving
from tasks.delivery.manifest import problems
from tests.kill.conftest import Runs
from tests.served import Served

# Every boundary of a run, in the order in which they are reached: each is "before" and "after".
LEDGER = (
    "sync .botify-export/ledger/.X.json.part",
    "rename .botify-export/ledger/X.json",
    "sync .botify-export/ledger",
)
STAGING = ".botify-export/staging"


def numbered(steps: tuple[str, ...], number: int) -> tuple[str, ...]:
    return tuple(f"{step} {number}" for step in steps)


BOUNDARIES = (
    "GET /analyses/light",
    "POST /projects/query",
    "POST /projects/query 2",
    "GET /projects/collections",
    "sync .botify-export",  # the locks' folder
    "sync .botify-export 2",  # the ledger's folder
    *LEDGER,  # the intent
    "POST /jobs",
    *numbered(LEDGER, 2),  # submitted
    "GET /jobs/ID",
    *numbered(LEDGER, 3),  # done
    "GET /jobs/ID 2",
    "sync .botify-export 3",  # the staging folder
    f"sync {STAGING}",
    "GET the file",
    f"sync {STAGING}/X/pages.parquet",
    f"sync {STAGING}/X/pages.csv",
    f"sync {STAGING}/X/.receipt.json.part",
    f"rename {STAGING}/X/receipt.json",
    f"sync {STAGING}/X",
    *numbered(LEDGER, 4),  # downloaded
    f"sync {STAGING}/X/.manifest.json.part",
    f"rename {STAGING}/X/manifest.json",
    f"sync {STAGING}/X 2",
    "sync .",
    "sync sandbox",
    "sync sandbox/www.boost.org",
    "rename sandbox/www.boost.org/20261122-2/depth-2-X",
    "sync sandbox/www.boost.org/20261122-2",
    f"sync {STAGING} 2",
    *numbered(LEDGER, 5),  # published
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
    assert runs.run(folder, served).code == 0
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """What is published in a data folder, by name; fails if any of it does not hold against its manifest."""
    published = [path.parent for path in folder.glob("data/sandbox/*/*/*/manifest.json")]
    assert len(published) == 1
    assert problems(published[0]) == []
    return {path.name: path.read_bytes() for path in published[0].iterdir() if path.name != "manifest.json"}


def whole_or_nothing(folder: Path) -> bool:
    """Whether what stands under a final name is whole, or nothing does."""
    return all(problems(path) == [] for path in folder.glob("data/sandbox/*/*/*") if ".replaced" not in path.name)


def test_the_table_names_every_boundary_of_a_run(runs: Runs, served: Served, tmp_path: Path) -> None:
    """A new request, write or rename must come into the table, and so be killed at."""
    ended = runs.run(tmp_path, served)
    assert ended.code == 0, ended.err
    assert sorted(ended.boundaries) == sorted(
        f"{moment} {name}" for name in BOUNDARIES for moment in ("before", "after")
    )


def test_the_intent_is_durable_before_anything_is_sent(runs: Runs, served: Served, tmp_path: Path) -> None:
    """Power-loss order: content synced, renamed, folder synced, and only then the POST; a folder is published last."""
    reached = runs.run(tmp_path, served).boundaries
    order = [
        "after sync .botify-export/ledger/.X.json.part",
        "after rename .botify-export/ledger/X.json",
        "after sync .botify-export/ledger",
        "before POST /jobs",
    ]
    assert [reached.index(name) for name in order] == sorted(reached.index(name) for name in order)
    publication = reached.index("before rename sandbox/www.boost.org/20261122-2/depth-2-X")
    written = [f"after sync {STAGING}/X/{name}" for name in ("pages.csv", "pages.parquet", ".manifest.json.part")]
    assert all(reached.index(name) < publication for name in [*written, f"after sync {STAGING}/X 2"])


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_run_that_is_killed_costs_nothing(
    runs: Runs, served: Served, undisturbed: dict[str, bytes], tmp_path: Path, name: str, moment: str
) -> None:
    """One job, the same bytes; what stood under a final name in between was whole."""
    jobs = len(served.sandbox.jobs)
    assert runs.run(tmp_path, served, kill_at=f"{moment} {name}").code == -9
    assert whole_or_nothing(tmp_path)
    again = runs.run(tmp_path, served)
    assert again.code == 0, again.err
    assert len(served.sandbox.jobs) == jobs + 1
    assert files_of(tmp_path) == undisturbed
