"""Which Prefect server a run from the terminal reports to: one that is there, else a temporary one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)
from prefect.settings.legacy import Setting

from tasks.exports.errors import PrefectUnavailable

LOCAL_API: Final = "http://127.0.0.1:4200/api"
# The first start of a temporary server makes its database: 23 s were seen, Prefect's own limit is 20 s.
STARTUP_TIMEOUT: Final = 120


@contextmanager
def prefect_server() -> Iterator[str | None]:
    """Use the server of PREFECT_API_URL, else the one at its local address, else a temporary one; yield its address.

    Raises PrefectUnavailable when the server that was named does not answer.
    """
    named = PREFECT_API_URL.value()
    if named and not _answers(named):
        raise PrefectUnavailable(f"No Prefect server answers at {named}.")
    server = named or (LOCAL_API if _answers(LOCAL_API) else None)
    settings: dict[Setting, Any] = (
        {PREFECT_API_URL: server}
        if server
        else {
            PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: True,
            PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: STARTUP_TIMEOUT,
            PREFECT_SERVER_ANALYTICS_ENABLED: False,
        }
    )
    with temporary_settings(settings):
        yield server


def version_of(api_url: str) -> str:
    """Return the version that a server says it has."""
    try:
        return str(httpx.get(f"{api_url.rstrip('/')}/admin/version", timeout=3).json())
    except (httpx.HTTPError, ValueError):
        return "of unknown version"


def _answers(api_url: str) -> bool:
    try:
        answer = httpx.get(f"{api_url.rstrip('/')}/health", timeout=3)
    except httpx.HTTPError:
        return False
    return answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN) or answer.text.strip() == "true"
