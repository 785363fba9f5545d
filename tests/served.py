"""A sandbox on real sockets, and the settings that lead a client to it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox import TOKEN, Addresses, Behaviour, Route, Sandbox, read_fault, serving

BOOST_URL = "https://app.botify.com/sandbox/www.boost.org/"
# Waits of hundredths of a second: over real sockets, time is real.
QUICK = {
    "BOTIFY_POLL_SECONDS": "0.02",
    "BOTIFY_POLL_MAX_SECONDS": "0.1",
    "BOTIFY_REQUESTS_PER_SECOND": "1000",
    "BOTIFY_AMBIGUOUS_GRACE": "0.5",
}


@dataclass(frozen=True)
class Served:
    """A sandbox, where it is, and the environment of a client of it."""

    sandbox: Sandbox
    addresses: Addresses

    @property
    def environment(self) -> dict[str, str]:
        return QUICK | {"BOTIFY_API_URL": self.addresses.api_url, "BOTIFY_API_TOKEN": TOKEN}


def wait_for(sandbox: Sandbox, route: Route) -> None:
    """Return when the sandbox has seen such a request."""
    while not any(seen.route is route for seen in sandbox.requests):
        time.sleep(0.01)


def wait_for_file(folder: Path, pattern: str, size_beside: int) -> None:
    """Return when such a file is there, and the part beside it has this size."""
    while not any(path.with_suffix(".part").stat().st_size >= size_beside for path in folder.glob(pattern)):
        time.sleep(0.01)


Serve = Callable[..., Served]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a sandbox with these faults and switches; the process's settings lead to the last one served."""
    with ExitStack() as stack:

        def serve_one(*faults: str, **behaviour: Any) -> Served:
            sandbox = Sandbox(Behaviour(**behaviour), map(read_fault, faults))
            served = Served(sandbox, stack.enter_context(serving(sandbox)))
            for name, value in served.environment.items():
                monkeypatch.setenv(name, value)
            return served

        yield serve_one
