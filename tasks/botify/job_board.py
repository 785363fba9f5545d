"""Looking at several jobs of one project with one request (botify-api.md §5.3)."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final
from weakref import WeakKeyDictionary

from tasks.botify.client import BotifyClient
from tasks.botify.jobs import LIST_PAGE_SIZE, Job, list_jobs, read_job
from tasks.exports.errors import BotifyRefused, BotifyUnavailable

LOGGER = logging.getLogger("botify_export")

# The order of the list is not documented: ours may stand behind any number of others, but not for ever more requests.
PAGES: Final = 2
# A new job may be listed late.
MISSES: Final = 3
# Nobody has documented how fresh the list is: now and then a job is looked at alone, whatever the list shows.
ALONE_EVERY: Final = 10
# Of the requests that Botify allows: the others submit jobs and fetch what is done.
SHARE_OF_LOOKS: Final = 0.5

_boards: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, int], "JobBoard"]] = WeakKeyDictionary()


class JobBoard:
    """The jobs of one project that are being waited for, seen together where the project's list shows them.

    A job that the list does not show is looked at alone.
    """

    def __init__(self, project: str) -> None:
        self._project = project
        self._waiting: set[str] = set()
        self._misses: Counter[str] = Counter()  # how many lists in a row did not show a job
        self._looks: Counter[str] = Counter()
        self._begun = count()
        self._sought: set[str] = set()
        self._seen: dict[str, Job] = {}
        self._seen_at = float("-inf")
        self._reading = asyncio.Lock()
        self._is_refused = False

    @property
    def requests_a_round(self) -> float:
        """Return how many requests it takes to look at all of its jobs once."""
        waiting = len(self._waiting)
        if waiting < 2 or self._is_refused:
            return waiting
        alone = len(self._misses)
        return self._pages() + alone + (waiting - alone) / ALONE_EVERY

    @contextmanager
    def waiting_for(self, job_id: str) -> Iterator[None]:
        """Count the job among those that are looked at together."""
        self._waiting.add(job_id)
        # Jobs that began together must not be looked at alone together: none of them on its first look.
        self._looks[job_id] = next(self._begun) % (ALONE_EVERY - 1)
        try:
            yield
        finally:
            self._waiting.discard(job_id)
            for of_jobs in (self._misses, self._looks, self._seen):
                of_jobs.pop(job_id, None)

    async def look(self, client: BotifyClient, job_id: str, *, max_age: float) -> Job:
        """Return the job as it was at most `max_age` seconds ago.

        Raises NotFound when Botify does not know it, BotifyUnavailable when this look failed, BotifyRefused.
        """
        self._looks[job_id] += 1
        if self._looks[job_id] % ALONE_EVERY:
            if len(self._waiting) > 1 and not self._is_refused and self._misses[job_id] < MISSES:
                async with self._reading:
                    if self._age() > max_age or self._is_worth_reading_for(job_id):
                        await self._read_list(client)
            if self._age() <= max_age and (job := self._seen.get(job_id)):
                return job
        return await read_job(client, job_id, tries=1)

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._seen_at

    def _listed(self) -> set[str]:
        return {job_id for job_id in self._waiting if self._misses[job_id] < MISSES}

    def _is_worth_reading_for(self, job_id: str) -> bool:
        """Whether so many came since the list was read, this job among them, that it costs less than a look at each."""
        return job_id not in self._sought and len(self._listed() - self._sought) > self._pages()

    async def _read_list(self, client: BotifyClient) -> None:
        await asyncio.sleep(0)  # all who begin at this moment are sought
        self._sought = wanted = self._listed()
        self._seen = {}
        try:
            await self._find(client, wanted)
        except BotifyUnavailable as failure:
            LOGGER.debug("The list of jobs was not read: %s", failure)
        except BotifyRefused as refusal:
            LOGGER.warning("The list of jobs is not to be had, each is looked at alone: %s", refusal)
            self._is_refused = True
        else:
            self._misses.update((wanted & self._waiting) - self._seen.keys())
            for job_id in self._seen:
                self._misses.pop(job_id, None)
        self._seen_at = asyncio.get_running_loop().time()

    async def _find(self, client: BotifyClient, wanted: set[str]) -> None:
        number = 0
        async for page in list_jobs(client, self._project, tries=1):
            number += 1
            self._seen.update({job.job_id: job for job in page if job.job_id in wanted})
            if number == self._pages() or wanted <= self._seen.keys():
                return

    def _pages(self) -> int:
        return PAGES + math.ceil(len(self._waiting) / LIST_PAGE_SIZE)


def job_board(client: BotifyClient, project: str) -> JobBoard:
    """Return the one board that all waits for jobs of this project share in this event loop."""
    boards = _boards.setdefault(asyncio.get_running_loop(), {})
    key = (str(client.base_url), project, hash(client.settings.token()))
    return boards.setdefault(key, JobBoard(project))


def seconds_a_round(client: BotifyClient) -> float:
    """Return how long it takes to look at everything that is waited for here, within the looks' share of the rate."""
    boards = _boards.get(asyncio.get_running_loop(), {}).values()
    return sum(board.requests_a_round for board in boards) / (client.settings.requests_per_second * SHARE_OF_LOOKS)
