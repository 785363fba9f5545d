"""`botify-export set-up`: all that the Prefect server needs before workers can run exports, however often it is run.

Run again after the server was down, it also begins again the runs that stopped meanwhile.
"""

import argparse
import asyncio

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from flows.prefect_server import prefect_server
from flows.set_up_server import set_up_server
from flows.take_up_runs import take_up_runs
from tasks.botify.account_limit import account_limit
from tasks.exports.errors import PrefectUnavailable
from tasks.exports.settings import Settings


def set_up(options: argparse.Namespace) -> None:
    """Create or update everything, one line each. Raises PrefectUnavailable, SettingRefused."""
    with prefect_server() as server:
        if server is None:
            raise PrefectUnavailable("No Prefect server is running, and there is nothing to set up without one.")
        asyncio.run(_set_up(options.pool, server))


async def _set_up(pool: str, server: str) -> None:
    limit = account_limit(Settings.load().requests_per_second)
    try:
        async with get_client() as client:
            async for done in set_up_server(client, pool, limit):
                print(f"{done.change:<9} {done.kind:<13} {done.name}", flush=True)
            async for run in take_up_runs(client):
                print(f"taken up  {'run':<13} {run.name}", flush=True)
    except PrefectHTTPStatusError as refusal:
        raise _refused(server, refusal) from None
    except httpx.HTTPError as error:
        raise PrefectUnavailable(f"The Prefect server at {server} stopped answering: {error!r}.") from None


def _refused(server: str, refusal: PrefectHTTPStatusError) -> PrefectUnavailable:
    if refusal.response.status_code == httpx.codes.UNAUTHORIZED:
        says = f"The Prefect server at {server} asks who this is."
        return PrefectUnavailable(says, next_step="Set PREFECT_API_AUTH_STRING to what the server was started with.")
    says = f"The Prefect server at {server} refused: {refusal.response.status_code} {refusal.response.text[:200]}"
    return PrefectUnavailable(says, next_step="Give the server the version of Prefect that is installed here.")
