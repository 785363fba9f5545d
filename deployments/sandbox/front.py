"""What stands before both hosts: it records every request and makes the faults happen."""

import asyncio
from dataclasses import dataclass, replace

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.sandbox import control
from deployments.sandbox.answers import envelope
from deployments.sandbox.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Effect,
    Flip,
    Redirect,
    Stall,
    WrongLength,
)
from deployments.sandbox.files import files_app
from deployments.sandbox.ledger import Seen
from deployments.sandbox.lines import Line, SocketLine
from deployments.sandbox.refusals import Code
from deployments.sandbox.routes import Route, route_of
from deployments.sandbox.state import State


@dataclass(frozen=True)
class Reply:
    """A whole answer before it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def with_header(self, name: str, value: str) -> "Reply":
        headers = MutableHeaders(raw=list(self.headers))
        headers[name] = value
        return replace(self, headers=headers.raw)


class Front:
    """The outermost layer of a host; it tells the app behind it which sandbox it is."""

    def __init__(self, app: ASGIApp, state: State, files_url: str) -> None:
        self._app = app
        self._is_files = app is files_app
        self._state = state
        self._files_url = files_url
        self._other_files_url = files_url.replace("//localhost", "//127.0.0.1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if scope["path"].startswith(f"{control.PREFIX}/") and not self._is_files:
            return await _send(send, await self._work(scope, body))
        route = Route.DOWNLOAD if self._is_files else route_of(scope["method"], scope["path"])
        self._state.record(Seen.of(scope, body, route))
        if not self._is_files and self._state.is_too_fast(asyncio.get_running_loop().time()):
            return await _send(send, self._slow_down())
        line: Line = scope.get("sandbox.line") or SocketLine(receive, send)
        return await self._happen(self._state.plan.next(route), scope, body, send, line)

    async def _happen(self, effect: Effect | None, scope: Scope, body: bytes, send: Send, line: Line) -> None:
        match effect:
            case Answer() | Drop() | Stall(at=None) as instead:
                if instead.after_work:
                    await self._work(scope, body)
                await _instead(instead, send, line)
            case Redirect(to):
                location = to or f"{self._other_files_url}{scope['path']}"
                await _send(send, Reply(302, [], b"").with_header("location", location))
            case _:
                reply = await self._work({**scope, "sandbox.effect": effect}, body)
                await _spoilt(effect, reply, send, line)

    async def _work(self, scope: Scope, body: bytes) -> Reply:
        """Carry the request out and keep the answer."""
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            messages.append(message)

        here = {"sandbox.state": self._state, "sandbox.files_url": self._files_url}
        await self._app({**scope, **here}, receive, keep)
        content = b"".join(message.get("body", b"") for message in messages[1:])
        return Reply(messages[0]["status"], list(messages[0]["headers"]), content)

    def _slow_down(self) -> Reply:
        refusal = envelope(self._state, Code.TOO_MANY_REQUESTS, Code.TOO_MANY_REQUESTS.words)
        reply = Reply(refusal.status_code, refusal.raw_headers, bytes(refusal.body))
        wait = self._state.behaviour.retry_after
        return reply if wait is None else reply.with_header("retry-after", f"{wait:g}")


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _instead(effect: Answer | Drop | Stall, send: Send, line: Line) -> None:
    match effect:
        case Answer():
            headers = [("content-type", effect.content_type), ("content-length", str(len(effect.body)))]
            raw = [(name.lower().encode(), value.encode()) for name, value in (*headers, *effect.headers)]
            await _send(send, Reply(effect.status, raw, effect.body))
        case Drop():
            await line.drop(begun=False)
        case Stall():
            await line.stall(begun=False)


async def _spoilt(effect: Effect | None, reply: Reply, send: Send, line: Line) -> None:
    """Send the right answer, but not rightly."""
    match effect:
        case Cut(at):
            await _begin(send, reply, at)
            await line.drop(begun=True)
        case Stall(at=int(at)):
            await _begin(send, reply, at)
            await line.stall(begun=True)
        case WrongLength(by) if by > 0:
            await _begin(send, reply.with_header("content-length", str(len(reply.body) + by)), len(reply.body))
            await line.drop(begun=True)
        case WrongLength(by):
            shorter = replace(reply, body=reply.body[: max(0, len(reply.body) + by)])
            await _send(send, shorter.with_header("content-length", str(len(shorter.body))))
        case Flip(at):
            flipped = bytearray(reply.body)
            flipped[min(at, len(flipped) - 1)] ^= 0xFF
            await _send(send, replace(reply, body=bytes(flipped)))
        case Delay(seconds):
            await line.pause(seconds)
            await _send(send, reply)
        case _:
            await _send(send, reply)


async def _begin(send: Send, reply: Reply, at: int) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body[:at], "more_body": True})


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})
