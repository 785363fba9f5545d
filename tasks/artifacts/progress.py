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
# With more slices than this, their artifacts would cost the server over 160 ms every time, and nobody reads as many
# bars: only the run's own moves, and its text names the slice.
MOST_SLICES: Final = 10


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
    tell(Progress(step.percent(part), text))


def tell(progress: Progress) -> None:
    """Tell all who watch; returns at once."""
    for watcher in _watchers.get():
        watcher(progress)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Pass the progress of the runs inside to the watcher."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


@contextmanager
def translated(translate: Callable[[Progress], Progress]) -> Iterator[None]:
    """Pass the progress of what is inside to those who watch now, as what it means for the whole run."""
    watchers = _watchers.get()

    def pass_on(progress: Progress) -> None:
        meant = translate(progress)
        for watcher in watchers:
            watcher(meant)

    token = _watchers.set((pass_on,))
    try:
        yield
    finally:
        _watchers.reset(token)


class SliceProgress:
    """The progress of slices that run side by side as that of one run: a mean, each slice weighed by its rows.

    Where they are few, each has a progress artifact of its own beside the run's.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self._rows = rows
        self._percents = [float(Step.SUBMIT.value)] * len(rows)
        self._page = _page.get() if len(rows) <= MOST_SLICES else None

    @contextmanager
    def of_slice(self, number: int) -> Iterator[None]:
        """Take what is shown inside for the progress of the slice with this number (from 0)."""

        def changed(progress: Progress) -> Progress:
            self._percents[number] = progress.percent
            self._show(number, progress.text)
            text = f"{self._done()} of {len(self._rows)} slices: slice {number + 1}: {progress.text}"
            return Progress(self._mean(), text)

        with translated(changed):
            try:
                yield
                tell(Progress(Step.PUBLISH.value, "done"))
            except Exception as failure:
                self._show(number, f"stopped: {failure}")
                raise

    def _show(self, number: int, text: str) -> None:
        """Show the slice for itself: a slice begins with its job, and its part is done when its rows are here."""
        if self._page is None:
            return
        begins, ends = Step.SUBMIT.value, Step.PUBLISH.value
        percent = round(max(self._percents[number] - begins, 0.0) / (ends - begins) * 100, 1)
        words = f"Slice {number + 1} of {len(self._rows)}, {self._rows[number]:,} URLs: {text}"
        self._page.slice_changed(number, Progress(percent, words))

    def _done(self) -> int:
        return sum(percent >= Step.PUBLISH.value for percent in self._percents)

    def _mean(self) -> float:
        weighted = sum(rows * percent for rows, percent in zip(self._rows, self._percents, strict=True))
        return round(weighted / sum(self._rows), 1)


@asynccontextmanager
async def progress_artifact(key: str) -> AsyncIterator[None]:
    """Keep one progress artifact of the current run up to date, and one per slice, in the background."""
    page = _Page(key)
    keeper = asyncio.create_task(page.keep())
    token = _page.set(page)
    try:
        with watching(page.changed):
            yield
    finally:
        _page.reset(token)
        page.ended.set()
        await keeper  # not cancelled: an artifact that is being created would be made twice


class _Page:
    """The progress artifacts of one run, published one after another: a server that is slow gets no more at once."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._run = _Artifact(key, Progress(0.0, "begins"))
        self._slices: dict[int, _Artifact] = {}
        self.ended = asyncio.Event()

    def changed(self, progress: Progress) -> None:
        self._run.latest = progress

    def slice_changed(self, number: int, progress: Progress) -> None:
        if number in self._slices:
            self._slices[number].latest = progress
        else:
            self._slices[number] = _Artifact(f"{self._key}-slice-{number + 1}", progress)

    async def keep(self) -> None:
        """Publish until the run has ended, and then once more; a server that hangs is waited for twice at the most."""
        while not self.ended.is_set():
            await self._publish_guarded()
            with suppress(TimeoutError):
                async with asyncio.timeout(UPDATE_EVERY):
                    await self.ended.wait()
        await self._publish_guarded()

    async def _publish_guarded(self) -> None:
        await guarded(self._publish(), "The progress")  # all under one guard: it bounds them together

    async def _publish(self) -> None:
        for artifact in (self._run, *self._slices.values()):
            await artifact.publish()


class _Artifact:
    def __init__(self, key: str, progress: Progress) -> None:
        self.latest = progress
        self._key = key
        self._id: UUID | None = None
        self._published: Progress | None = None

    async def publish(self) -> None:
        now = self.latest
        if now == self._published:
            return
        if self._id is None:
            self._id = await acreate_progress_artifact(now.percent, key=self._key, description=now.text)
        else:
            await aupdate_progress_artifact(self._id, now.percent, description=now.text)
        self._published = now


_page: ContextVar[_Page | None] = ContextVar("page", default=None)
