"""The limit that all workers share: Botify counts the requests of a token, whichever machine sends them (§7.1).

It is a global concurrency limit of Prefect with one slot, which frees itself: so requests are let through one by one.
With more slots, whoever comes after a pause takes them all at once, and then those that freed themselves in the same
second: 8 and 9 requests in one second were seen with five slots that free themselves at five a second.
"""

from dataclasses import dataclass
from typing import Final

NAME: Final = "botify-api"
# Six requests are then let through in no less than 1.11 s: they may arrive 0.11 s closer to each other.
CAUTION: Final = 0.9


@dataclass(frozen=True)
class AccountLimit:
    """What the limit needs: its slots, and how many of them free themselves in a second."""

    name: str
    limit: int
    slot_decay_per_second: float


def account_limit(requests_per_second: int) -> AccountLimit:
    """Return the limit that keeps all workers together at no more than so many requests in any second."""
    return AccountLimit(NAME, limit=1, slot_decay_per_second=CAUTION * requests_per_second)
