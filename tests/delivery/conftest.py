import pytest

from tests.bucket import bucket, shared_places, store
from tests.served import serve

__all__ = ["bucket", "serve", "shared_places", "store"]


@pytest.fixture
def anyio_backend() -> str:
    """asyncio in real time: the download is a thread's, over real sockets."""
    return "asyncio"
