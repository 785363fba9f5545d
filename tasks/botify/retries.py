"""How far apart something is tried again."""

import random
from collections.abc import Iterator


def waits(first: float, longest: float) -> Iterator[float]:
    """Yield waits in seconds without end: half as long again each time, jittered, never above `longest`.

    The jitter keeps many exports that were refused together from coming back together.
    """
    wait = first
    while True:
        yield min(wait * random.uniform(0.8, 1.2), longest)  # noqa: S311  # nothing secret about it
        wait = min(wait * 1.5, longest)
