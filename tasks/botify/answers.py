"""Reading Botify's answers: what it refused, in its own words, and what cannot be read."""

import re
from typing import Final

import httpx
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from tasks.exports.errors import AccessDenied, BotifyRefused, NotFound, RequestRefused, TokenRefused

JSON: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)
# 1001, 1002 and 404's codes say the same as the status; the status is always there (botify-api.md §1.1, §7.3).
REFUSALS: Final[dict[int, type[BotifyRefused]]] = {401: TokenRefused, 403: AccessDenied, 404: NotFound}
ALREADY_RUNNING: Final = frozenset({"1052", "1058"})


class UnreadableAnswer(Exception):
    """A success that cannot be read: not JSON, or not the shape that was expected."""


class Refusal(BaseModel):
    """Botify's error envelope, tolerant of what a proxy puts in its place (botify-api.md §7.3)."""

    code: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" if self.code else self.message


def refusal(response: httpx.Response) -> Refusal:
    """Return what the error answer says, whatever its form."""
    try:
        body = JSON.validate_json(response.content)
    except ValidationError:
        return Refusal(message=_text_of_page(response))
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return Refusal(message=str(error or body)[:300])
    return Refusal(code=str(error.get("error_code") or ""), message=str(error.get("message") or "no reason given"))


def refused(response: httpx.Response, what: str) -> BotifyRefused:
    """Return the error for a 3xx or 4xx answer to the request described by `what`."""
    if response.is_redirect:
        host = httpx.URL(response.headers.get("location", "")).host or "elsewhere"
        return RequestRefused(
            f"{what}: the API redirects to {host}, where the token is not sent. Check BOTIFY_API_URL."
        )
    kind = REFUSALS.get(response.status_code, RequestRefused)
    return kind(f"{what}: Botify answered {response.status_code}, {refusal(response)!s}")


def json_body(response: httpx.Response) -> JsonValue:
    """Return the body of a success. Raises UnreadableAnswer."""
    try:
        return JSON.validate_json(response.content)
    except ValidationError:
        raise UnreadableAnswer(f"{response.status_code} with {_text_of_page(response)}") from None


def _text_of_page(response: httpx.Response) -> str:
    text = re.sub(r"<[^>]*>|\s+", " ", response.text[:2000])
    return " ".join(text.split())[:200] or "an empty body"
