"""Whose token it is (botify-api.md §1.1)."""

from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.botify.client import BotifyClient
from tasks.exports.errors import NotFound


class _User(BaseModel):
    model_config = ConfigDict(frozen=True)

    username: str


class _Profile(BaseModel):
    data: _User


_PROFILE: Final = TypeAdapter(_Profile)


async def read_username(client: BotifyClient) -> str | None:
    """Return the token's user; None where Botify does not offer this undocumented question.

    Raises TokenRefused, BotifyUnavailable.
    """
    try:
        answer = await client.read("The token's user", ("authentication", "profile"), _PROFILE, tries=2)
    except NotFound:
        return None
    return answer.data.username
