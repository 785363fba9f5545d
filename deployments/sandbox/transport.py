"""Both hosts in one process, for httpx (no sockets, no threads, and the loop's own time)."""

from collections.abc import AsyncIterator

import httpx
from starlette.types import Receive, Scope, Send

from deployments.sandbox.api import api_app
from deployments.sandbox.files import files_app
from deployments.sandbox.front import Front
from deployments.sandbox.lines import InProcessLine
from deployments.sandbox.state import State

API_URL = "http://127.0.0.1:8465/v1"
FILES_URL = "http://localhost:8466"


class InProcessTransport(httpx.AsyncBaseTransport):
    """`API_URL` and `FILES_URL` without sockets; broken connections surface as httpx's own exceptions.

    A stall takes the client's read timeout in the loop's time, and for ever without one.
    """

    def __init__(self, state: State) -> None:
        api_host, files_host = Front(api_app, state, FILES_URL), Front(files_app, state, FILES_URL)
        self._hosts = {("127.0.0.1", 8465): api_host, ("localhost", 8466): files_host, ("127.0.0.1", 8466): files_host}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ConnectError for any other host."""
        front = self._hosts.get((request.url.host, request.url.port or 80))
        if front is None:
            raise httpx.ConnectError(f"The sandbox has no host {request.url.netloc.decode()}.")
        line = InProcessLine(request.extensions.get("timeout", {}).get("read"))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await front({**scope, "sandbox.line": line}, receive, send)
            if line.is_broken:  # ASGITransport wants a whole answer; the stream breaks where that ends
                await send({"type": "http.response.body"})

        response = await httpx.ASGITransport(app=app).handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return httpx.Response(response.status_code, headers=response.headers, stream=_Stream(response.stream, line))


class _Stream(httpx.AsyncByteStream):
    """A body, and then how its connection ends."""

    def __init__(self, body: httpx.AsyncByteStream, line: InProcessLine) -> None:
        self._body = body
        self._line = line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk
        await self._line.end()
