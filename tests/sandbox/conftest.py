import pytest

from tests.sandbox.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """asyncio in virtual time."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}
