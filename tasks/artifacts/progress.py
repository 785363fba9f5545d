"""How far a run is: one progress artifact for Prefect's page, one line for the terminal."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from tasks.artifacts.guarded import guarded

# An update costs the server 16 ms; a page shows no more than this anyway.
UPDATE_EVERY: Final = 2.0


class Step(Enum):
    """The steps of an export, each with the percentage at which it begins."""

    PARSE = 0
    SELECT = 2
    DEPTH = 5
    COLUMNS = 10
    SUBMIT = 12
    POLL = 15
    DOWNLOAD = 50
    PUBLISH = 90
    FINISHED = 100

    @property
    def ends(self) -> int:
        return next((step.value for step in Step if step.value > self.value), 100)

    def percent(self, part: float) -> float:
        """Return the run's percentage when this part (0 to 1) of the step is done."""
        return round(self.value + (self.ends - self.value) * min(max(part, 0.0), 1.0), 1)


@dataclass(frozen=True)
class Progress:
    """A percentage of the run, and what is being done in words."""

    percent: float
    text: str


Watcher = Callable[[Progress], None]
_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())


def show(step: Step, text: str, part: float = 0.0) -> None:
    """Tell all who watch this run how far it is; returns at once."""
    for watcher in _watchers.get():
        watcher(Progress(step.percent(part), text))


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Pass the progress of the runs inside to the watcher."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


class SliceProgress:
    """The progress of slices that run side by side as that of one run: a mean, each slice weighed by its rows."""

    def __init__(self, rows: Sequence[int]) -> None:
        self._rows = rows
        self._percents = [float(Step.SUBMIT.value)] * len(rows)

    @contextmanager
    def of_slice(self, number: int) -> Iterator[None]:
        """Take what is shown inside for the progress of the slice with this number (from 0)."""
        watchers = _watchers.get()

        def changed(progress: Progress) -> None:
            self._percents[number] = progress.percent
            text = f"{self._done()} of {len(self._rows)} slices: slice {number + 1}: {progress.text}"
            for watcher in watchers:
                watcher(Progress(self._mean(), text))

        token = _watchers.set((changed,))
        try:
            yield
            changed(Progress(Step.PUBLISH.value, "done"))
        finally:
            _watchers.reset(token)

    def _done(self) -> int:
        return sum(percent >= Step.PUBLISH.value for percent in self._percents)

    def _mean(self) -> float:
        weighted = sum(rows * percent for rows, percent in zip(self._rows, self._percents, strict=True))
        return round(weighted / sum(self._rows), 1)


@asynccontextmanager
async def progress_artifact(key: str) -> AsyncIterator[None]:
    """Keep one progress artifact of the current run up to date, in the background."""
    artifact = _Artifact(key)
    keeper = asyncio.create_task(artifact.keep())
    try:
        with watching(artifact.changed):
            yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await artifact.publish()


class _Artifact:
    def __init__(self, key: str) -> None:
        self._key = key
        self._id: UUID | None = None
        self._progress = Progress(0.0, "begins")
        self._published: Progress | None = None

    def changed(self, progress: Progress) -> None:
        self._progress = progress

    async def keep(self) -> None:
        while True:
            await self.publish()
            await asyncio.sleep(UPDATE_EVERY)

    async def publish(self) -> None:
        now = self._progress
        if now == self._published:
            return
        if self._id is None:
            created = acreate_progress_artifact(now.percent, key=self._key, description=now.text)
            self._id = await guarded(created, "The progress")
        else:
            updated = aupdate_progress_artifact(self._id, now.percent, description=now.text)
            await guarded(updated, "The progress")
        self._published = now
