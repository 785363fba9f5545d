"""Lists that come in pages (botify-api.md §2.1)."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, JsonValue, TypeAdapter

from tasks.botify.client import TRIES, BotifyClient
from tasks.exports.errors import BotifyUnavailable

Row = TypeVar("Row")


class Page(BaseModel, Generic[Row]):
    """One page of a list; `next` is an absolute address, or null on the last page."""

    results: list[Row]
    next: str | None = None


async def pages(
    client: BotifyClient,
    what: str,
    path: tuple[str, ...],
    page: TypeAdapter[Page[Row]],
    *,
    params: dict[str, str | int],
    query: JsonValue = None,
    tries: int = TRIES,
) -> AsyncIterator[list[Row]]:
    """Yield the rows page by page until `next` is null.

    Only the parameters of `next` are used: its host is not ours to trust with the token. Raises BotifyRefused,
    BotifyUnavailable (also when the pages lead in a circle).
    """
    asked: list[dict[str, str | int]] = []
    here: dict[str, str | int] | None = params
    while here is not None:
        if here in asked:
            raise BotifyUnavailable(f"{what}: the pages of Botify's answer lead in a circle.")
        asked.append(here)
        answer = await client.read(what, path, page, params=here, query=query, tries=tries)
        yield answer.results
        here = params | dict(parse_qsl(urlsplit(answer.next).query)) if answer.next else None
