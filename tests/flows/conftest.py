import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from deployments.sandbox import TOKEN
from tests.bucket import bucket, store
from tests.flows.processes import folder_for_databases
from tests.served import serve

__all__ = ["bucket", "serve", "store"]


@pytest.fixture
def anyio_backend() -> str:
    """asyncio in real time: Prefect's server is another process."""
    return "asyncio"


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server for all tests of a run, with a database of its own; its address.

    When all tests are done, the token that they used stands nowhere: not in the database, not in a data folder.
    """
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", folder_for_databases())
            stack.enter_context(prefect_test_harness(server_startup_timeout=180))
        yield str(PREFECT_API_URL.value())
        database = Path(urlsplit(str(PREFECT_API_DATABASE_CONNECTION_URL.value())).path.replace("//", "/"))
        assert database.stat().st_size
        written = [*database.parent.glob(f"{database.name}*"), *tmp_path_factory.getbasetemp().rglob("data/**/*")]
        assert [path for path in written if path.is_file() and TOKEN.encode() in path.read_bytes()] == []


@pytest.fixture(autouse=True)
def _with_prefect(prefect_api: str, tmp_path: Path) -> None:
    """Every test here runs flows."""
