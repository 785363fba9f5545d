"""The sandbox over real sockets: uvicorn in a thread, on loopback only."""

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from deployments.sandbox.api import api_app
from deployments.sandbox.files import files_app
from deployments.sandbox.front import Front
from deployments.sandbox.state import ORGANISATION, State


@dataclass(frozen=True)
class Addresses:
    """Where a served sandbox is."""

    api_url: str
    """With /v1."""
    files_url: str
    project_urls: tuple[str, ...]
    """As a user would paste them from the browser."""


@contextlib.contextmanager
def serving(state: State, api_port: int = 0, files_port: int = 0) -> Iterator[Addresses]:
    """Serve both hosts until the end of the block; port 0 takes a free one. Raises OSError if a port is taken."""
    api_sockets, files_sockets = _listen("127.0.0.1", api_port), _listen("localhost", files_port)
    api_url, files_url = f"http://127.0.0.1:{_port(api_sockets)}", f"http://localhost:{_port(files_sockets)}"
    servers = [
        (_Server(Front(api_app(state, files_url), state, files_url)), api_sockets),
        (_Server(Front(files_app(state), state, files_url, is_files=True)), files_sockets),
    ]
    thread = threading.Thread(target=asyncio.run, args=(_serve(servers),), name="sandbox", daemon=True)
    thread.start()
    for server, _ in servers:
        server.is_ready.wait()
    try:
        projects = tuple(f"https://app.botify.com/{ORGANISATION}/{project}/" for project in state.projects)
        yield Addresses(f"{api_url}/v1", files_url, projects)
    finally:
        for server, _ in servers:
            server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """A quiet server that says when it is ready, and waits for nobody when it stops."""

    def __init__(self, app: ASGIApp) -> None:
        # h11 by name: dropping a connection reaches into its request cycle.
        quiet = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, log_level="error", access_log=False
        )
        super().__init__(quiet)
        self.is_ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            assert isinstance(connection.transport, asyncio.Transport)
            connection.transport.abort()  # stalled requests would hold the server for ever
        await super().shutdown(sockets)


async def _serve(servers: Sequence[tuple[_Server, list[socket.socket]]]) -> None:
    await asyncio.gather(*(server.serve(sockets) for server, sockets in servers))


def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on one port for every address of `host`: localhost is ::1 to some, 127.0.0.1 to others."""
    first = _bound(socket.AF_INET, "127.0.0.1", port)
    if host != "localhost":
        return [first]
    try:
        return [first, _bound(socket.AF_INET6, "::1", _port([first]))]
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return [first]  # a machine without ::1
        first.close()
        if port:
            raise
        return _listen(host, port)


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _port(sockets: Sequence[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])
