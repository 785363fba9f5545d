"""How fast, in how much memory, and how far from what the machine allows: `python -m tests.bench`.

Writes Markdown tables to stdout; every line of them comes from this one run. Everything is made in a temporary folder
and served on loopback; nothing outside of it is touched.
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.data_runs import data_runs
from tests.bench.flow_runs import flow_runs
from tests.bench.load_tables import server_table, worker_table
from tests.bench.server_runs import server_runs
from tests.bench.table import flow_table, rows_table
from tests.bench.waiting import waits
from tests.bench.waiting_run import Kind, Waiting
from tests.bench.waiting_table import waiting_table
from tests.bench.worker_runs import worker_runs


class Part(StrEnum):
    """What can be measured by itself, in the order in which it is printed."""

    ROWS = "rows"
    FLOW = "flow"
    WAITING = "waiting"
    SERVERS = "servers"
    WORKERS = "workers"


EXPORTS: Final = ((1, 1), (10, 10), (100, 100))
TASKS: Final = ((1, 1), (10, 1), (10, 10), (100, 1), (100, 100), (1000, 1), (1000, 10))
"""How many wait, and in how many projects."""


def main() -> None:
    """Measure every part that is asked for, and print its tables as soon as it is measured."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and so is all that was started
    with TemporaryDirectory(prefix="bench-") as name:
        for part in (part for part in Part if part in options.only):
            print(*_tables(part, Path(name), options), "", sep="\n", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_parts, default=list(Part), help=f"of {','.join(Part)}")
    parser.add_argument("--rows", type=_numbers, default=[10_000, 100_000, 1_000_000, 5_000_000], help="sizes")
    parser.add_argument("--runs", type=int, default=5, help="of each variant; the slow ones get three")
    parser.add_argument("--exports", type=_waits, default=EXPORTS, help="whole exports that wait: 10x10 in 10 projects")
    parser.add_argument("--tasks", type=_waits, default=TASKS, help="tasks alone that wait: 1000x10 in 10 projects")
    return parser.parse_args()


def _parts(text: str) -> list[Part]:
    return [Part(word) for word in text.split(",")]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _waits(text: str) -> list[tuple[int, int]]:
    pairs = (word.partition("x") for word in text.split(",") if word)
    return [(int(exports), int(projects)) for exports, _, projects in pairs]


def _tables(part: Part, folder: Path, options: argparse.Namespace) -> Iterator[str]:
    match part:
        case Part.ROWS:
            return rows_table(data_runs(folder, options.rows, options.runs))
        case Part.FLOW:
            return flow_table(*flow_runs(folder, options.runs))
        case Part.WAITING:
            cases = [Waiting(Kind.EXPORT, *case) for case in options.exports]
            return waiting_table(*waits(folder, [*cases, *(Waiting(Kind.TASK, *case) for case in options.tasks)]))
        case Part.SERVERS:
            return server_table(server_runs(folder))
        case Part.WORKERS:
            return worker_table(*worker_runs(folder))


if __name__ == "__main__":
    main()
