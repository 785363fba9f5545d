"""A fresh process that runs one variant once: `python -m tests.bench.child TASK`, TASK as JSON; prints what it cost."""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench.task import Measured, Task

Operation = Callable[[], None]

# Where each variant's preparation is: it imports what it needs, and returns the operation that is measured.
VARIANTS: Final = {
    "ours": "tests.bench.ours:delivery",
    "ours, data plane alone": "tests.bench.data_plane:staging",
    "usual script, pandas defaults": "tests.bench.usual:with_defaults",
    "usual script, done right": "tests.bench.usual:done_right",
    "network to nothing": "tests.bench.stages:network",
    "gunzip": "tests.bench.stages:gunzip",
    "CSV write": "tests.bench.stages:csv_write",
    "parse": "tests.bench.stages:parse",
    "Parquet encode": "tests.bench.stages:parquet_encode",
    "SHA-256 of both files": "tests.bench.stages:sha256",
    "fsync of both files": "tests.bench.stages:fsync",
    "types": "tests.bench.stages:types",
    "a run of the flow": "tests.bench.flow_run:flow_run",
}


def measured(task: Task) -> Measured:
    """Import, prepare and run the variant."""
    began = time.perf_counter()
    module, _, function = VARIANTS[task.variant].partition(":")
    imported = import_module(module)
    imports = time.perf_counter() - began
    operation: Operation = getattr(imported, function)(task)
    cpu, started = _cpu(), time.perf_counter()
    operation()
    return Measured(wall=time.perf_counter() - started, cpu=_cpu() - cpu, imports=imports, peak=_peak())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    # Not getrusage's ru_maxrss: that of the parent leaks into it through fork.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    print(json.dumps(asdict(measured(Task(**json.loads(sys.argv[1]))))))
