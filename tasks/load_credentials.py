"""Step 0: whose token is used. A run's parameters stand in clear in Prefect's database, so they name a block only."""

from typing import Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, ValidationError

from tasks.exports.errors import SettingRefused, TokenMissing
from tasks.exports.settings import Credentials


class BotifyCredentials(Block):
    """A Botify user's API token, and the API that it is for."""

    _block_type_name = "Botify Credentials"
    _block_type_slug = "botify-credentials"
    _description = "The API token of a Botify user (https://app.botify.com/account)."

    token: SecretStr = Field(description="The API token, as https://app.botify.com/account shows it.")
    api_url: str = Field(default="https://api.botify.com/v1", description="The address of Botify's API.")


# No task: what a task returns may be stored, and its parameters are.
async def load_credentials(block: str) -> Credentials | None:
    """Return the credentials in the block of this name; None without a name. Raises TokenMissing, SettingRefused."""
    if not block:
        return None
    try:
        loaded: Any = await BotifyCredentials.aload(block)
        return Credentials(api_token=loaded.token, api_url=loaded.api_url)
    except ValidationError as refusal:
        first = refusal.errors(include_url=False, include_input=False)[0]
        raise SettingRefused(f"The block botify-credentials/{block}: {first['msg']}.") from None
    except ValueError:
        raise TokenMissing(
            f"There is no block botify-credentials/{block}.",
            next_step="Make it in Prefect's UI under Blocks, or leave `credentials` empty to use BOTIFY_API_TOKEN.",
        ) from None
