import pytest

from tests.sandbox.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """asyncio in virtual time: waits of hours take no time, and nothing depends on the machine's speed."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}
