"""What the sandbox saw."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.types import Scope

from deployments.sandbox.routes import Route


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """With lower-case names."""
    body: bytes
    route: Route
    at: float = field(default_factory=time.monotonic)
    """`time.monotonic()` on arrival."""
    loop_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    """The time of the event loop on arrival: virtual where the loop's time is."""

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    @classmethod
    def of(cls, scope: Scope, body: bytes, route: Route) -> "Seen":
        """Read the facts from an ASGI scope."""
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        return cls(scope["method"], headers.get("host", ""), scope["path"], query, headers, body, route)


def most_in_one_second(moments: Iterable[float]) -> int:
    """The largest number of moments in any half-open second, for an assertion on the rate (botify-api.md §7.1)."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, start + 1) - position for position, start in enumerate(ordered)), default=0)
