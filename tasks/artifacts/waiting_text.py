"""What is said while Botify makes a file: only what was seen."""

from dataclasses import dataclass
from typing import Final

from tasks.botify.waiting import Look
from tasks.ledger.durations import Usual, in_words

# Where nothing is known of earlier exports: the seconds after which half of the step's bar is full.
_UNKNOWN: Final = 120.0


@dataclass(frozen=True)
class Wait:
    """A wait for a job: the seconds from its submission until the wait began, and how long such jobs took before."""

    waited_before: float = 0.0
    usual: Usual | None = None

    def in_words(self, look: Look) -> str:
        """Say how Botify calls the job's state, for how long it runs, and when it is looked at again."""
        looks = "1 look" if look.number == 1 else f"{look.number:,} looks"
        text = (
            f"{look.status}, {in_words(self.waited_before + look.elapsed)} after it was submitted; "
            f"{looks}, the next in {in_words(look.next_in)}"
        )
        return f"{text}; {self.usual.in_words()}" if self.usual else text

    def part(self, look: Look) -> float:
        """Return how full the step's bar is. It never says that a job is nearly done: Botify does not say so either."""
        waited = self.waited_before + look.elapsed
        return waited / (waited + (self.usual.seconds if self.usual else _UNKNOWN))
