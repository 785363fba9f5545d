"""Where a process may die: before and after each request, each durable write and each rename."""

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

_written = threading.Lock()


def watch_boundaries(folder: Path, log: Path, kill_at: str | None) -> None:
    """Write the name of every boundary to the log as it is reached; at `kill_at`, die by SIGKILL.

    The system's own functions and httpx's transports are wrapped, nothing of ours. Several boundaries of one name
    are told apart by a number: `before POST /v1/.../query 2`.
    """
    boundary = _Boundaries(folder, log, kill_at)
    os.fsync = boundary.around("sync", os.fsync)
    os.rename = boundary.around("rename", os.rename, argument=1)
    os.replace = boundary.around("rename", os.replace, argument=1)
    boundary.around_requests()


class _Boundaries:
    def __init__(self, folder: Path, log: Path, kill_at: str | None) -> None:
        self._data = folder.resolve() / "data"
        self._log = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        self._kill_at = kill_at
        self._seen: dict[str, int] = {}

    def reached(self, name: str) -> None:
        with _written:
            self._seen[name] = number = self._seen.get(name, 0) + 1
            numbered = name if number == 1 else f"{name} {number}"
            os.write(self._log, f"{numbered}\n".encode())
            if numbered == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, verb: str, function: Callable[..., Any], argument: int = 0) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **others: Any) -> Any:
            name = self._name_of(arguments[argument])
            if name is None:
                return function(*arguments, **others)
            self.reached(f"before {verb} {name}")
            result = function(*arguments, **others)
            self.reached(f"after {verb} {name}")
            return result

        return wrapped

    def _name_of(self, file: object) -> str | None:
        """The file inside the data folder, without what differs from run to run; None outside of it."""
        path = Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else Path(str(file)).absolute()
        if not path.is_relative_to(self._data):
            return None
        return re.sub(
            r"[0-9a-f]{64}|(?<=depth-2-)[0-9a-f]{12}|(?<=full-)[0-9a-f]{12}", "X", str(path.relative_to(self._data))
        )

    def around_requests(self) -> None:
        asynchronous, synchronous = httpx.AsyncHTTPTransport.handle_async_request, httpx.HTTPTransport.handle_request

        async def handle_async_request(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
            if (name := _request_name(request)) is None:
                return await asynchronous(transport, request)
            self.reached(f"before {name}")
            response = await asynchronous(transport, request)
            self.reached(f"after {name}")
            return response

        def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            if not request.url.path.startswith("/collection_exports/"):
                return synchronous(transport, request)
            self.reached("before GET the file")
            response = synchronous(transport, request)
            self.reached("after GET the file")
            return response

        setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async_request)  # noqa: B010
        setattr(httpx.HTTPTransport, "handle_request", handle_request)  # noqa: B010


def _request_name(request: httpx.Request) -> str | None:
    """The request to Botify in words; None for those to Prefect."""
    path = request.url.path
    if not path.startswith("/v1/"):
        return None
    path = re.sub(r"/sandbox/www.boost.org|/crawl.*", "", path.removeprefix("/v1"))
    return f"{request.method} {re.sub(r'[0-9]+$', 'ID', path)}"
