import pytest

from tests.served import serve

__all__ = ["serve"]


@pytest.fixture
def anyio_backend() -> str:
    """asyncio in real time: the download is a thread's, over real sockets."""
    return "asyncio"
