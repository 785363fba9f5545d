"""Aggregate functions, one value at a time, so that a group of a million pages needs no memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from deployments.sandbox.fields import Value


class Fold(Protocol):
    """Takes the values of a group, each so many times, and has a result at any time."""

    def add(self, value: Value, times: int) -> None: ...

    @property
    def result(self) -> Value: ...


@dataclass
class Count:
    """How many values are not null."""

    result: int = 0

    def add(self, value: Value, times: int) -> None:
        self.result += times * (value is not None)


@dataclass
class CountNull:
    """How many values are null."""

    result: int = 0

    def add(self, value: Value, times: int) -> None:
        self.result += times * (value is None)


@dataclass
class CountDistinct:
    """How many different values there are, without null."""

    seen: set[Value] = field(default_factory=set)

    def add(self, value: Value, times: int) -> None:
        if value is not None:
            self.seen.add(value)

    @property
    def result(self) -> int:
        return len(self.seen)


@dataclass
class Total:
    """The sum of the numbers; null without any."""

    result: float | None = None

    def add(self, value: Value, times: int) -> None:
        if isinstance(value, int | float):
            self.result = (self.result or 0) + value * times


@dataclass
class Mean:
    """The average of the numbers; null without any."""

    total: float = 0
    count: int = 0

    def add(self, value: Value, times: int) -> None:
        if isinstance(value, int | float):
            self.total, self.count = self.total + value * times, self.count + times

    @property
    def result(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass
class Extreme:
    """The smallest or the largest of the numbers; null without any."""

    choose: Callable[[float, float], float]
    result: float | None = None

    def add(self, value: Value, times: int) -> None:
        if isinstance(value, int | float):
            self.result = value if self.result is None else self.choose(self.result, value)


FOLDS: dict[str, Callable[[], Fold]] = {
    "count": Count,
    "count_null": CountNull,
    "count_distinct": CountDistinct,
    "sum": Total,
    "avg": Mean,
    "min": lambda: Extreme(min),
    "max": lambda: Extreme(max),
}
