"""What goes wrong, by chance but in the same order each time."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.cluster.machine import Machine
from tests.cluster.services import PrefectServer

SERVER: Final = "the Prefect server killed"
HAPPENINGS: Final = ("a run killed", "a run killed", "a worker killed", "a machine without power")


@dataclass(frozen=True)
class Pace:
    """Seconds between two failures, on average; and how many there are, after which nothing goes wrong any more."""

    every: float
    failures: int


class Chaos:
    """Kills something now and then; workers that are gone come back by themselves."""

    def __init__(self, machines: Sequence[Machine], server: PrefectServer, chance: random.Random, pace: Pace) -> None:
        self._machines = machines
        self._server = server
        self._chance = chance
        self._pace = pace
        self._done = Counter[str]()
        self._plan_next()

    def __str__(self) -> str:
        return ", ".join(f"{times} x {what}" for what, times in self._done.most_common()) or "nothing went wrong"

    def strike(self) -> None:
        """Do what is due."""
        for machine in self._machines:
            if not machine.has_worker:
                machine.start_worker()
        if time.monotonic() < self._next or self._done.total() >= self._pace.failures:
            return
        machine = self._chance.choice(self._machines)
        match self._coming:
            case "a worker killed":
                machine.kill_worker()
            case "a machine without power":
                machine.cut_the_power()
            case _ if not machine.kill_one_run(self._chance):
                return  # none runs there just now
        self._done[self._coming] += 1
        self._plan_next()

    def _plan_next(self) -> None:
        self._coming = self._chance.choice(HAPPENINGS)
        self._next = time.monotonic() + self._chance.uniform(0.5, 1.5) * self._pace.every

    def restart_server_once(self) -> None:
        """Kill it and start it again, if that was not done before."""
        if not self._done[SERVER]:
            self._server.kill()
            self._server.start()
            self._done[SERVER] += 1
