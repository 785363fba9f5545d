"""What was measured, as Markdown."""

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.markdown import head, line
from tests.bench.rounds import DISTURBED, Result
from tests.bench.site_runs import SiteRun

OURS: Final = ("ours", "ours, data plane alone")
USUAL: Final = ("usual script, pandas defaults", "usual script, done right")
STAGES: Final = (
    "network to nothing",
    "gunzip",
    "CSV write",
    "parse",
    "Parquet encode",
    "SHA-256 of both files",
    "fsync of both files",
)
BESIDE: Final = ("types",)  # work that only ours does: not in the bound
_CORES: Final = 2
TINY: Final = 494
"""The rows of the export on which the flow runs."""

Results = Mapping[int, Mapping[str, Result]]


def rows_table(results: Results) -> Iterator[str]:
    """The data plane, with the machine in the caption."""
    yield from (*_caption(), "", *_variants(results), "", *_stages(results))


def flow_table(flow: Result, sites: Sequence[SiteRun]) -> Iterator[str]:
    """What runs cost beside the data."""
    yield from (*_flow(flow), "", *_sites(sites))


def bound(measured: Mapping[str, Result]) -> float:
    """The least wall time in seconds: the CPU of all stages, over two cores."""
    return sum(measured[stage].cpu for stage in STAGES) / _CORES


def _caption() -> Iterator[str]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    machine = f"{os.cpu_count()} cores ({model[1] if model else platform.machine()})"
    versions = ", ".join(f"{name} {version(name)}" for name in ("pandas", "pyarrow"))
    yield (
        f"{machine}, Python {platform.python_version()}, {versions}; link: loopback; 311 bytes a row, 58 in gzip. "
        "Medians (fastest … slowest) of fresh processes in turn, without imports. Ours syncs both files to the disk, "
        "the usual scripts do not. A run during which other processes took more than "
        f"{DISTURBED:.0%} of the machine was made again, once."
    )


def _variants(results: Results) -> Iterator[str]:
    yield from head(
        "rows",
        "variant",
        "runs",
        "wall s",
        "CPU s",
        "peak MB",
        "imports s",
        "faster than defaults",
        "than done right",
        "times the bound",
    )
    for rows, measured in results.items():
        for variant in (*OURS, *USUAL):
            result = measured[variant]
            yield line(
                f"{rows:,}",
                variant,
                len(result.runs),
                _wall(result),
                f"{result.cpu:.2f}",
                f"{result.peak / 1e6:.0f}",
                f"{result.imports:.2f}",
                *(f"{measured[usual].wall / result.wall:.2f}" for usual in USUAL),
                f"{result.wall / bound(measured):.2f}",
            )


def _stages(results: Results) -> Iterator[str]:
    yield from head("each stage alone: CPU s (wall s)", *(f"{rows:,} rows" for rows in results))
    for stage in STAGES:
        yield line(stage, *(_cpu_and_wall(measured[stage]) for measured in results.values()))
    yield line("**bound: their CPU over two cores**", *(f"**{bound(measured):.2f}**" for measured in results.values()))
    for stage in BESIDE:
        yield line(f"{stage} (not in the bound)", *(_cpu_and_wall(measured[stage]) for measured in results.values()))


def _flow(flow: Result) -> Iterator[str]:
    yield (
        f"Beside the data: a whole run of the flow on {TINY} rows, with a running Prefect server, takes "
        f"{_wall(flow)} s ({flow.cpu:.2f} s of CPU) after {flow.imports:.2f} s of imports; median of "
        f"{len(flow.runs)}."
    )


def _sites(sites: Sequence[SiteRun]) -> Iterator[str]:
    yield "A whole site of 1,169 URLs from the sandbox, whose jobs are done at once, without the limit of 5 requests a"
    yield "second; medians of 3:"
    yield ""
    yield from head("slices", "count queries", "requests in all", "wall s", "at 5 requests a second, at least s")
    for site in sites:
        yield line(site.slices, site.counts, site.requests, f"{site.wall:.1f}", f"{site.requests / 5:.0f}")


def _wall(result: Result) -> str:
    fastest, slowest = result.range
    return f"{result.wall:.2f} ({fastest:.2f} … {slowest:.2f})"


def _cpu_and_wall(result: Result) -> str:
    return f"{result.cpu:.2f} ({result.wall:.2f})"
