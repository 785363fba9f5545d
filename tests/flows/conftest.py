from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from tests.served import serve

__all__ = ["serve"]


@pytest.fixture
def anyio_backend() -> str:
    """asyncio in real time: Prefect's server is another process."""
    return "asyncio"


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server for all tests of a run, with a database of its own; its address."""
    with prefect_test_harness(server_startup_timeout=180):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(autouse=True)
def _with_prefect(prefect_api: str, tmp_path: Path) -> None:
    """Every test here runs flows."""
