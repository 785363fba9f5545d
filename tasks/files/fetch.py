"""The bytes of a download, in one unbroken stream although connections break.

What this does not do: decode (the bytes are as they lie on the host), or keep anything on the disk. A link may be a
bearer secret (botify-api.md §5.5): it stands in no message here and in no log line, only its host does.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
from pydantic import SecretStr

from tasks.exports.errors import BotifyRefused, DownloadInterrupted, FileGone, Interrupted
from tasks.files.hanging_up import hung_up_on, unlogged
from tasks.files.resuming import Progress, ends_at

_MOST_REDIRECTS: Final = 5
_DEAD: Final = frozenset({403, 404, 410})
_WORTH_ASKING_AGAIN: Final = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Patience:
    """How long a download is tried: `attempts` without a byte of progress, times in seconds.

    A connection is stalled when nothing comes for `silence`, or over a `window` fewer than `slowest` bytes a second.
    """

    attempts: int = 8
    longest_pause: float = 30.0
    longest_retry_after: float = 120.0
    silence: float = 20.0
    window: float = 30.0
    slowest: float = 1024.0


class _Broken(Exception):
    """The attempt ended early; another one may go on from where it stopped."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _LinkDead(Exception):
    """The host does not know the link, or no longer."""


def fetch(
    url: SecretStr,
    *,
    client: httpx.Client,
    fresh_url: Callable[[], SecretStr],
    stop: threading.Event,
    on_bytes: Callable[[int, int | None], None],
    pause: Callable[[float], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Iterator[bytes]:
    """The body behind `url`, as it lies on the host; only what is missing, if `progress` says what is here already.

    A cut is mended by asking for the rest, on the condition that the file is still the same one. `fresh_url` is asked
    for another link when this one is dead, once per progress. `on_bytes` hears the bytes so far and the total, if it
    is known, in the thread that takes the chunks. `pause(seconds)` is how it waits (`stop.wait`). `progress` is kept
    up to date with each chunk.

    Raises DownloadInterrupted when it keeps breaking, FileGone if the fresh link is dead too, DownloadDamaged if the
    file changed meanwhile or cannot be continued (to be fetched from its start), BotifyRefused if the host does not
    give it at all, and Interrupted when `stop` is set: within a second, or when an attempt to connect has ended.
    """
    return _Download(
        link=_web_address(url.get_secret_value()),
        client=client,
        fresh_url=fresh_url,
        stop=stop,
        on_bytes=on_bytes,
        pause=pause or stop.wait,
        clock=clock,
        patience=patience or Patience(),
        progress=progress or Progress(),
    ).chunks()


@dataclass
class _Download:
    link: httpx.URL
    client: httpx.Client
    fresh_url: Callable[[], SecretStr]
    stop: threading.Event
    on_bytes: Callable[[int, int | None], None]
    pause: Callable[[float], object]
    clock: Callable[[], float]
    patience: Patience
    progress: Progress
    failures: int = 0
    link_renewed: bool = False

    def chunks(self) -> Iterator[bytes]:
        while True:
            self._heed_stop()
            try:
                yield from self._attempt()
            except _LinkDead as dead:
                self._renew_link(dead)
            except _Broken as broken:
                self._wait_after(broken)
            else:
                return

    def _attempt(self) -> Iterator[bytes]:
        """What is missing, as far as one connection brings it."""
        with self._answer() as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return
            known = self.progress.skip(response)
            for chunk in self._arriving(response):
                new, known = chunk[known:], max(0, known - len(chunk))
                if new:
                    self.progress.received += len(new)
                    self.failures, self.link_renewed = 0, False
                    self.on_bytes(self.progress.received, self.progress.total)
                    yield new
        if self.progress.total not in (None, self.progress.received):
            raise _Broken("the body ended early")

    @contextmanager
    def _answer(self) -> Iterator[httpx.Response]:
        """A usable answer, after redirects; raises _Broken, _LinkDead or BotifyRefused for any other."""
        link, headers = self.link, self.progress.request_headers()
        for _ in range(_MOST_REDIRECTS + 1):
            with self._sent(link, headers) as response:
                if response.next_request is None:
                    self._judge(response)
                    yield response
                    return
                link = self._redirected(response.next_request.url)
        raise BotifyRefused(f"{self.link.host} redirects more than {_MOST_REDIRECTS} times.")

    @contextmanager
    def _sent(self, link: httpx.URL, headers: dict[str, str]) -> Iterator[httpx.Response]:
        request = self.client.build_request("GET", link, headers=headers, timeout=self.patience.silence)
        for secret in ("Authorization", "Cookie"):  # the client may carry them for the API; this is another host
            request.headers.pop(secret, None)
        with self._named(), unlogged():
            response = self.client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            with hung_up_on(self.stop, response):
                yield response
        finally:
            response.close()

    def _redirected(self, target: httpx.URL) -> httpx.URL:
        if self.link.scheme == "https" and target.scheme != "https":
            raise BotifyRefused(f"{self.link.host} redirects from https to an unencrypted address.")
        return _web_address(str(target))

    def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        answered = f"{response.url.host} answered {status}"
        if status in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            return
        if status in _DEAD:
            raise _LinkDead(answered)
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and ends_at(response) == self.progress.received:
            return
        if status in _WORTH_ASKING_AGAIN or response.is_server_error:
            raise _Broken(answered, _retry_after(response))
        raise BotifyRefused(f"{answered}, which is no answer to a download.")

    def _arriving(self, response: httpx.Response) -> Iterator[bytes]:
        """The chunks of one answer; the time that the consumer takes is not held against the connection."""
        chunks = response.iter_raw()
        waited, arrived = 0.0, 0
        while True:
            asked = self.clock()
            with self._named():
                chunk = next(chunks, b"")
            waited, arrived = waited + self.clock() - asked, arrived + len(chunk)
            self._heed_stop()
            if not chunk:
                return
            yield chunk
            if waited >= self.patience.window:
                if arrived < waited * self.patience.slowest:
                    raise _Broken(f"{arrived} bytes in {waited:.0f} s")
                waited, arrived = 0.0, 0

    @contextmanager
    def _named(self) -> Iterator[None]:
        """httpx's errors as ours, without the request and its URL that they carry."""
        try:
            yield
        except httpx.TransportError as error:
            self._heed_stop()
            # What the system or TLS says; httpx's other texts may quote a part of a URL.
            reason = f": {error}" if isinstance(error, httpx.NetworkError) else ""
            raise _Broken(f"{type(error).__name__}{reason}") from None

    def _renew_link(self, dead: _LinkDead) -> None:
        if self.link_renewed:
            raise FileGone(f"The file is gone: {dead}, and so it does for a fresh link.") from None
        self.link, self.link_renewed = _web_address(self.fresh_url().get_secret_value()), True

    def _wait_after(self, broken: _Broken) -> None:
        self.failures += 1
        if self.failures >= self.patience.attempts:
            attempts = f"{self.failures} attempts in a row"
            raise DownloadInterrupted(f"The download from {self.link.host} failed in {attempts}: {broken}.") from None
        backoff = min(self.patience.longest_pause, 0.5 * 2**self.failures) * random.uniform(0.5, 1)  # noqa: S311
        self.pause(max(backoff, min(broken.retry_after, self.patience.longest_retry_after)))

    def _heed_stop(self) -> None:
        if self.stop.is_set():
            raise Interrupted("The download was stopped.")


def _web_address(link: str) -> httpx.URL:
    try:
        url = httpx.URL(link)
    except httpx.InvalidURL:
        raise BotifyRefused("The download link is not a URL.") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise BotifyRefused("The download link is not a web address.")
    return url.copy_with(userinfo=b"")  # httpx would send it as Authorization


def _retry_after(response: httpx.Response) -> float:
    """The seconds of a Retry-After header, given as such or as a date; 0 without one."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
