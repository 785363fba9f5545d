import pytest

from tests.bucket import bucket, store
from tests.sandbox.virtual_time import VirtualTimeLoop

__all__ = ["bucket", "store"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """asyncio in virtual time: waits of hours take no time, and nothing depends on the machine's speed."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}
