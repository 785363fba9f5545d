"""The data plane on exports of several sizes, each made, served on loopback, and deleted."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.files.staging import Limits, stage
from tests.bench.crawl import COLUMNS, write_gzip
from tests.bench.rounds import ROOT, Result, rounds, say
from tests.bench.table import BESIDE, OURS, STAGES, USUAL
from tests.bench.task import Task


def data_runs(folder: Path, sizes: Sequence[int], runs: int) -> dict[int, dict[str, Result]]:
    """Measure every variant on each size, smallest first."""
    return {rows: _measured(folder, rows, runs) for rows in sorted(sizes)}


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
