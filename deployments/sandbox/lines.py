"""Breaking a connection: over a real socket, and in process."""

import asyncio
from typing import Protocol

import anyio
import httpx
from starlette.types import Receive, Send


class Line(Protocol):
    """The connection beneath one request; `begun` says whether part of an answer was sent."""

    async def drop(self, *, begun: bool) -> None:
        """Close the connection without another byte."""

    async def stall(self, *, begun: bool) -> None:
        """Send nothing more until the client gives up."""

    async def pause(self, seconds: float) -> None:
        """Send nothing for so long."""


class SocketLine:
    """A connection of uvicorn."""

    def __init__(self, receive: Receive, send: Send) -> None:
        """`send` must be uvicorn's own, whose object knows the socket."""
        self._receive = receive
        self._transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]

    async def drop(self, *, begun: bool) -> None:
        self._transport.close()
        await self.stall(begun=begun)

    async def stall(self, *, begun: bool) -> None:
        # Returning earlier would make uvicorn answer 500 in our place.
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def pause(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.stall(begun=False)


class InProcessLine:
    """A request of httpx: broken by the exceptions that httpx raises over a socket, at the same moments."""

    def __init__(self, read_timeout: float | None) -> None:
        self._read_timeout = read_timeout
        self._stalls = False
        self._drops = False

    async def drop(self, *, begun: bool) -> None:
        self._drops = True
        if not begun:
            await self.end()

    async def stall(self, *, begun: bool) -> None:
        self._stalls = True
        if not begun:
            await self.end()

    async def pause(self, seconds: float) -> None:
        if self._read_timeout is not None and seconds > self._read_timeout:
            await self.stall(begun=False)
        await asyncio.sleep(seconds)

    @property
    def is_broken(self) -> bool:
        return self._drops or self._stalls

    async def end(self) -> None:
        """What follows the last byte: nothing, or an exception. Raises httpx.TransportError."""
        if self._drops:
            raise httpx.RemoteProtocolError("The sandbox closed the connection without a complete answer.")
        if self._stalls:
            if self._read_timeout is None:
                await asyncio.Event().wait()  # for ever, as over a socket
            await asyncio.sleep(self._read_timeout or 0)
            raise httpx.ReadTimeout("The sandbox stalled.")
