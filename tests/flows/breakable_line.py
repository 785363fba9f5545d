"""A line to the Prefect server that a test can cut and mend."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class BreakableLine:
    """Forwards connections to a server; while it is cut, it refuses them."""

    def __init__(self, api_url: str) -> None:
        self._server = (urlsplit(api_url).hostname or "", urlsplit(api_url).port or 0)
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._accept(self._listener)

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        for line in (self._listener, *self._connections):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        self._connections.clear()

    def mend(self) -> None:
        """Forward again, at the same address."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept(self._listener)

    def _accept(self, listener: socket.socket) -> None:
        def accept() -> None:
            with suppress(OSError):
                while True:
                    here, _ = listener.accept()
                    there = socket.create_connection(self._server)
                    self._connections += (here, there)
                    for source, target in ((here, there), (there, here)):
                        threading.Thread(target=_forward, args=(source, target), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def breakable_line(api_url: str) -> Iterator[tuple[BreakableLine, str]]:
    """Yield a line to the server, and the address to use instead of the server's."""
    line = BreakableLine(api_url)
    try:
        yield line, f"http://127.0.0.1:{line.port}/api"
    finally:
        line.cut()
