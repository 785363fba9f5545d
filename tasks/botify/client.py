"""The connection to Botify's API: the token, the rate limit, and reads that are tried again."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import JsonValue, TypeAdapter, ValidationError

from tasks.botify.answers import UnreadableAnswer, json_body, refusal, refused
from tasks.botify.rate_limit import rate_limit
from tasks.botify.retries import waits
from tasks.botify.tls import tls_context
from tasks.exports.errors import BotifyUnavailable
from tasks.exports.settings import Settings
from tasks.exports.version import VERSION

LOGGER = logging.getLogger("botify_export")

TRIES: Final = 10
# A POST of a job was seen to take minutes (botify-api.md §4.8): giving up early would make it ambiguous.
READ_TIMEOUT: Final = 60.0
SUBMIT_TIMEOUT: Final = 300.0
LONGEST_RETRY_AFTER: Final = 300.0

Answer = TypeVar("Answer")


class TryAgain(Exception):
    """An answer that says nothing yet: 429, 5xx, unreadable, or none at all."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class BotifyClient:
    """Speaks to one API host as one user. Use it as an asynchronous context manager.

    The token goes to this host only: no redirect is followed, no absolute address from an answer is used.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self.base_url = httpx.URL(settings.api_url)
        self._http = httpx.AsyncClient(
            headers={
                "Authorization": f"Token {settings.token().get_secret_value()}",
                "User-Agent": f"botify-export/{VERSION}",
            },
            timeout=httpx.Timeout(READ_TIMEOUT, connect=15, pool=None),
            transport=transport,
            verify=tls_context(),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def read(
        self,
        what: str,
        path: tuple[str, ...],
        answer: TypeAdapter[Answer],
        *,
        params: Mapping[str, str | int] | None = None,
        query: JsonValue = None,
        tries: int = TRIES,
    ) -> Answer:
        """Read something that costs nothing, trying again on 429, 5xx, network errors and unreadable answers.

        With a `query` it is a POST. `what` begins the sentence of an error. Raises BotifyRefused,
        BotifyUnavailable.
        """
        pauses = waits(self.settings.poll_seconds / 4, self.settings.poll_max_seconds)
        for number in range(1, tries + 1):
            try:
                return await self._read_once(what, path, answer, params, query)
            except TryAgain as failure:
                if number == tries:
                    tried = f", {tries} times" if tries > 1 else ""
                    raise BotifyUnavailable(f"{what}: {failure}{tried}.") from None
                pause = next(pauses) if failure.after is None else failure.after
                LOGGER.warning("%s: %s. Trying again in %.1f s.", what, failure, pause)
                await asyncio.sleep(pause)
        raise AssertionError("tries is at least 1")

    async def _read_once(
        self,
        what: str,
        path: tuple[str, ...],
        answer: TypeAdapter[Answer],
        params: Mapping[str, str | int] | None,
        query: JsonValue,
    ) -> Answer:
        try:
            response = await self.send("GET" if query is None else "POST", path, params=params, body=query)
        except httpx.RequestError as error:
            raise TryAgain(network_words(error)) from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise TryAgain(f"Botify answered {response.status_code}, {refusal(response)!s}", retry_after(response))
        if not response.is_success:
            raise refused(response, what)
        try:
            return answer.validate_python(json_body(response))
        except UnreadableAnswer as unreadable:
            raise TryAgain(f"Botify answered {unreadable}") from None
        except ValidationError as mismatch:
            raise TryAgain(f"Botify's answer has another shape than expected ({_first(mismatch)})") from None

    async def send(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        params: Mapping[str, str | int] | None = None,
        body: JsonValue = None,
        patience: float = READ_TIMEOUT,
        before: Callable[[], None] = lambda: None,
    ) -> httpx.Response:
        """Send one request, once, when the rate limit allows it; `patience` in seconds. Raises httpx.RequestError.

        `before` is called when nothing more has to be waited for; what it raises keeps the request from being sent.
        """
        url = self.base_url.join("/".join((self.base_url.path.rstrip("/"), *(quote(part, safe="") for part in path))))
        async with rate_limit(self.base_url.netloc.decode(), self.settings.requests_per_second).place():
            before()
            return await self._http.request(
                method,
                url,
                params=params,
                json=body,
                timeout=httpx.Timeout(patience, connect=15, pool=None),
            )


def network_words(error: httpx.RequestError) -> str:
    """Say what went wrong on the way: httpx leaves some of its errors without a text."""
    return f"no answer ({type(error).__name__}{f': {error}' if str(error) else ''})"


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that the answer asks to wait, within reason; None when it asks for none.

    Botify documents no such header (botify-api.md §7.2); a proxy in front of it may send one.
    """
    text = response.headers.get("retry-after", "")
    try:
        seconds = float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _first(mismatch: ValidationError) -> str:
    error = mismatch.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
