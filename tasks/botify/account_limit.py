"""The limit that all workers share: Botify counts the requests of a token, whichever machine sends them."""

from dataclasses import dataclass
from typing import Final

NAME: Final = "botify-api"
# Slots come back at this share of the rate: requests that were let through one after another may arrive in one burst.
CAUTION: Final = 0.8


@dataclass(frozen=True)
class AccountLimit:
    """What a limit whose slots free themselves needs: how many there are, and how many come back in a second."""

    name: str
    limit: int
    slot_decay_per_second: float


def account_limit(requests_per_second: int) -> AccountLimit:
    """Return the limit that keeps all workers together at most at this many requests a second."""
    return AccountLimit(NAME, limit=1, slot_decay_per_second=CAUTION * requests_per_second)
