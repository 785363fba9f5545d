"""The sandbox over real sockets: uvicorn in a thread, on loopback only."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

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
    with contextlib.ExitStack() as stack:
        api_sockets = [stack.enter_context(found) for found in _bound_sockets("127.0.0.1", api_port)]
        files_sockets = [stack.enter_context(found) for found in _bound_sockets("localhost", files_port)]
        api_url, files_url = f"http://127.0.0.1:{_port(api_sockets)}", f"http://localhost:{_port(files_sockets)}"
        portal = stack.enter_context(start_blocking_portal(name="sandbox"))
        stack.enter_context(portal.wrap_async_context_manager(_served(Front(api_app, state, files_url), api_sockets)))
        stack.enter_context(
            portal.wrap_async_context_manager(_served(Front(files_app, state, files_url), files_sockets))
        )
        projects = tuple(f"https://app.botify.com/{ORGANISATION}/{project}/" for project in state.projects)
        yield Addresses(f"{api_url}/v1", files_url, projects)


@contextlib.asynccontextmanager
async def _served(app: ASGIApp, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """uvicorn's protocol without its server, which takes signals and a quarter of a second to stop."""
    # h11 by name: dropping a connection reaches into its request cycle.
    config = uvicorn.Config(app, http="h11", ws="none", log_config=None, log_level="error", access_log=False)
    config.load()
    serving_now = ServerState()

    def connection() -> H11Protocol:
        return H11Protocol(config, serving_now, app_state={})

    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(connection, sock=listening) for listening in sockets]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        for open_connection in list(serving_now.connections):
            open_connection.transport.abort()  # stalled requests would wait for ever
        await asyncio.gather(*serving_now.tasks)


def _bound_sockets(host: str, port: int) -> list[socket.socket]:
    """One port for every address of `host`: localhost is ::1 to some, 127.0.0.1 to others."""
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
        return _bound_sockets(host, port)


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # The protocol is named, or asyncio would not switch off the delay of small answers: 44 ms each.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _port(sockets: Sequence[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])
