"""The download host: no token, but ranges and entity tags as S3 and CloudFront have them (botify-api.md §5.5)."""

import asyncio
import hashlib
import re
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response

from deployments.sandbox.answers import Here
from deployments.sandbox.behaviour import EntityTag
from deployments.sandbox.faults import ExpireLink
from deployments.sandbox.links import Link
from deployments.sandbox.state import State

DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)


files_app = FastAPI(openapi_url=None)


@files_app.get("/{path:path}")
async def download(request: Request, state: Here, path: str) -> Response:
    link = state.find_link(f"/{path}")
    if link is None:
        return _denied(403)
    effect = request.scope.get("sandbox.effect")
    if isinstance(effect, ExpireLink):
        link.dead = effect.status
    if refused := link.refusal(asyncio.get_running_loop().time(), state.behaviour):
        return _denied(refused)
    link.downloads += 1
    return _file_answer(request, state, link, await link.job.export.file())


def _denied(status: int) -> Response:
    return Response(DENIED, status, media_type="application/xml")


def _file_answer(request: Request, state: State, link: Link, content: bytes) -> Response:
    headers = {"accept-ranges": "bytes"} if state.behaviour.ranges else {}
    tag = _entity_tag(state.behaviour.entity_tag, content, link.downloads)
    if tag:
        headers["etag"] = tag
    if not state.behaviour.ranges or request.headers.get("if-range", tag) != tag:
        return _whole(content, headers)
    span = Span.of(request.headers.get("range", ""), len(content))
    if span is None:
        return _whole(content, headers)
    if span.is_empty:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{len(content)}"})
    headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{len(content)}"
    return Response(content[span.start : span.stop], 206, headers, "application/octet-stream")


def _whole(content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, 200, headers, "application/octet-stream")


def _entity_tag(kind: EntityTag, content: bytes, downloads: int) -> str | None:
    match kind:
        case EntityTag.STABLE:
            return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        case EntityTag.CHANGING:
            return f'"answer-{downloads}"'
        case EntityTag.ABSENT:
            return None


@dataclass(frozen=True)
class Span:
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int

    @property
    def is_empty(self) -> bool:
        return self.start >= self.stop

    @classmethod
    def of(cls, written: str, size: int) -> "Span | None":
        """Read a Range header of one range; None for anything else, which servers may ignore (RFC 9110, 14.2)."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", written.strip())
        if not found or not any(found.groups()):
            return None
        if not found[1]:
            return cls(max(0, size - int(found[2])), size)
        return cls(int(found[1]), min(int(found[2]) + 1 if found[2] else size, size))
