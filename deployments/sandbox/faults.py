"""Things that go wrong, and the plan that says when."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from deployments.sandbox.routes import Route


@dataclass(frozen=True)
class Answer:
    """Another answer than the right one. With `after_work` the request is carried out first."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    after_work: bool = False


@dataclass(frozen=True)
class Drop:
    """The connection closes without one byte of an answer. With `after_work` the request is carried out first."""

    after_work: bool = False


@dataclass(frozen=True)
class Cut:
    """The request is carried out; the connection closes after `at` bytes of the body."""

    at: int


@dataclass(frozen=True)
class Stall:
    """Nothing comes until the client gives up; with `at`, after so many bytes of the body."""

    at: int | None = None
    after_work: bool = False


@dataclass(frozen=True)
class Delay:
    """The request is carried out at once, its answer comes `seconds` later."""

    seconds: float


@dataclass(frozen=True)
class Flip:
    """All bits of the byte at `at` of the body, or of its last one, are inverted."""

    at: int


@dataclass(frozen=True)
class WrongLength:
    """Content-Length is `by` more than the body, or less: then the client sees a shorter body and no error."""

    by: int


@dataclass(frozen=True)
class Redirect:
    """302 to `to`; None stands for the same path at the download host's other name."""

    to: str | None = None


class Reason(StrEnum):
    """Where a FAILED job says why: nobody has seen such a body (botify-api.md §5.2)."""

    NONE = "none"
    ERROR = "error"
    """`{"error": {"type": ..., "message": ...}}` beside the status"""
    FAILURE_REASON = "failure-reason"
    """`{"failure_reason": ...}` beside the status"""
    RESULTS = "results"
    """`{"results": {"error": ...}}`"""


@dataclass(frozen=True)
class FailJob:
    """The job ends as FAILED: when it would be DONE (route create job), or from this look on (route read job)."""

    reason: Reason = Reason.NONE
    text: str = "The export failed"


@dataclass(frozen=True)
class NeverFinish:
    """The job is running for ever."""


@dataclass(frozen=True)
class ExpireLink:
    """The link is dead from this download on."""

    status: int = 403


Effect: TypeAlias = (
    Answer | Drop | Cut | Stall | Delay | Flip | WrongLength | Redirect | FailJob | NeverFinish | ExpireLink
)


@dataclass(frozen=True)
class Fault:
    """`effect` meets the `nth` request of `route` since the fault was added, and the `times - 1` next ones.

    `times=None` means for ever. Raises ValueError if the route cannot have this effect.
    """

    route: Route
    effect: Effect
    nth: int = 1
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError(f"nth and times count from 1, not {self.nth} and {self.times}")
        allowed = _ROUTES_OF.get(type(self.effect), tuple(Route))
        if self.route not in allowed:
            effect = type(self.effect).__name__
            raise ValueError(f"{effect} is for {' and '.join(allowed)}, not for {self.route}")

    def meets(self, count: int) -> bool:
        """Whether the `count`-th request is met."""
        return self.nth <= count and (self.times is None or count < self.nth + self.times)


_ROUTES_OF: dict[type, tuple[Route, ...]] = {
    FailJob: (Route.CREATE_JOB, Route.READ_JOB),
    NeverFinish: (Route.CREATE_JOB, Route.READ_JOB),
    ExpireLink: (Route.DOWNLOAD,),
}


class Plan:
    """The faults to come; the first that meets a request wins, and every fault counts every request of its route."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults: list[Fault] = list(faults)
        self._counts: Counter[int] = Counter()
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Count from the next request on."""
        with self._lock:
            self._faults.append(fault)

    def next(self, route: Route) -> Effect | None:
        """What happens to a request that has just come."""
        with self._lock:
            met = []
            for position, fault in enumerate(self._faults):
                if fault.route is route:
                    self._counts[position] += 1
                    if fault.meets(self._counts[position]):
                        met.append(fault.effect)
            return met[0] if met else None
