"""What goes wrong, by chance but in the same order each time."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.cluster.machine import Machine
from tests.cluster.services import PrefectServer

SERVER: Final = "the Prefect server killed"


class Chaos:
    """Kills something every so many seconds on average; workers that are gone come back by themselves."""

    def __init__(self, machines: Sequence[Machine], server: PrefectServer, chance: random.Random, every: float) -> None:
        self._machines = machines
        self._server = server
        self._chance = chance
        self._every = every
        self._next = time.monotonic() + every
        self._done = Counter[str]()

    def __str__(self) -> str:
        return ", ".join(f"{times} x {what}" for what, times in self._done.most_common()) or "nothing went wrong"

    def strike(self) -> None:
        """Do what is due."""
        for machine in self._machines:
            if not machine.has_worker:
                machine.start_worker()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._chance.uniform(0.5, 1.5) * self._every
        machine = self._chance.choice(self._machines)
        happening = self._chance.choice(["a run killed", "a run killed", "a worker killed", "a machine without power"])
        if happening == "a worker killed":
            machine.kill_worker()
        elif happening == "a machine without power":
            machine.cut_the_power()
        elif not machine.kill_one_run(self._chance):
            return
        self._done[happening] += 1

    def restart_server_once(self) -> bool:
        """Kill it and start it again, if that was not done before; return whether it was."""
        if self._done[SERVER]:
            return False
        self._server.kill()
        self._server.start()
        self._done[SERVER] += 1
        return True
