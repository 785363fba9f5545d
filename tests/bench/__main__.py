"""How fast, in how much memory, and how far from what the machine allows: `python -m tests.bench`.

Writes a Markdown table to stdout; every line of it comes from this one run. Everything is made in a temporary folder
and served on loopback; nothing outside of it is touched.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.files.staging import Limits, stage
from tests.bench.crawl import COLUMNS, write_gzip
from tests.bench.flow_runs import flow_runs
from tests.bench.rounds import ROOT, Result, rounds, say
from tests.bench.table import BESIDE, OURS, STAGES, USUAL, table
from tests.bench.task import Task


def main() -> None:
    """Measure everything, and print the table."""
    options = _options()
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        results = {rows: _measured(folder, rows, options.runs) for rows in sorted(options.rows)}
        flow, sites = flow_runs(folder, options.runs)
    print(table(results, flow, sites))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rows", type=_numbers, default=[10_000, 100_000, 1_000_000, 5_000_000], help="sizes")
    parser.add_argument("--runs", type=int, default=5, help="of each variant; the slow ones get three")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _measured(folder: Path, rows: int, runs: int) -> dict[str, Result]:
    """Make an export, let every variant have it in turn, and delete it."""
    with TemporaryDirectory(dir=folder) as name, _served(Path(name)) as address:
        task = _task(Path(name), address, rows)
        return rounds(task, (*OURS, *USUAL), (*STAGES, *BESIDE), runs)


def _task(folder: Path, address: str, rows: int) -> Task:
    archive = folder / "export.csv.gz"
    say(f"{rows:,} rows: making the export")
    write_gzip(archive, rows)
    with archive.open("rb") as file:  # what the stages read, each alone
        staged = stage(iter(lambda: file.read(1 << 16), b""), COLUMNS, folder, limits=Limits())
    assert staged.rows == rows
    assert staged.csv
    assert staged.parquet
    say(
        f"{rows:,} rows: {staged.archive.bytes:,} bytes of gzip, {staged.csv.size:,} of CSV, {staged.parquet.size:,}"
        " of Parquet"
    )
    return Task(
        variant="",
        url=f"{address}/{archive.name}",
        rows=rows,
        folder=str(folder / "run"),
        archive=str(archive),
        csv=str(staged.csv.path),
        parquet=str(staged.parquet.path),
    )


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


if __name__ == "__main__":
    main()
