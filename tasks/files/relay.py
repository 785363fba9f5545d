"""Stages of a pass, each in a thread of its own, handing items on through channels that hold only a few."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class _ChannelClosed(Exception):
    """Not an error: the way a thread learns that nobody wants its items any more."""


class _Channel(Generic[Item]):
    """A bounded queue that can be closed from either side; `queue.Queue` learns that in Python 3.13 only."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._closed = False
        self._failure: BaseException | None = None

    def put(self, item: Item) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            if self._closed:
                raise _ChannelClosed
            self._items.append(item)
            self._changed.notify_all()

    def finish(self, failure: BaseException | None = None) -> None:
        with self._changed:
            self._finished, self._failure = True, failure
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._finished or bool(self._items))
            if self._closed:
                raise _ChannelClosed
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._failure is not None:
                raise self._failure
            raise StopIteration


class Relay:
    """A context whose end stops and joins every thread started in it, whatever happened.

    An exception of a stage arrives where its items are taken. A stage that is waiting for the network ends when that
    wait does: `fetch` keeps its waits short.
    """

    def __init__(self) -> None:
        self._channels: list[_Channel[object]] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for channel in self._channels:
            channel.close()
        for thread in self._threads:
            thread.join()

    def ahead(self, items: Iterable[Item], depth: int, name: str) -> Iterator[Item]:
        """The same items, produced by a thread that runs at most `depth` of them ahead."""
        channel: _Channel[Item] = _Channel(depth)
        thread = threading.Thread(target=_pump, args=(items, channel), name=f"staging-{name}", daemon=True)
        self._channels.append(channel)  # type: ignore[arg-type]  # closed only, never read or filled here
        self._threads.append(thread)
        thread.start()
        return channel


def _pump(items: Iterable[Item], channel: _Channel[Item]) -> None:
    failure: BaseException | None = None
    try:
        for item in items:
            channel.put(item)
    except _ChannelClosed:
        pass
    except BaseException as error:  # noqa: BLE001
        # Raised again in the thread that takes the items.
        failure = error
    finally:
        close: Callable[[], None] | None = getattr(items, "close", None)
        if close is not None:
            close()
        channel.finish(failure)
