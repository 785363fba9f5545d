"""What processes take, as the kernel counts it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Footprint:
    """A process until now: its peak memory (VmHWM) in bytes, its threads and open files now, its CPU in seconds."""

    peak: int
    threads: int
    files: int
    cpu: float
    at: float
    """`time.monotonic()`"""

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        folder = Path(f"/proc/{pid}")
        status = (folder / "status").read_text(encoding="ascii", errors="replace")
        facts = dict(line.split(":", 1) for line in status.splitlines())
        return cls(
            peak=int(facts["VmHWM"].split()[0]) * 1024,
            threads=int(facts["Threads"]),
            files=sum(1 for _ in (folder / "fd").iterdir()),
            cpu=sum(_times(pid)[:2]),
            at=time.monotonic(),
        )


def cpu_of_all(pid: int) -> float:
    """Return the CPU in seconds that a process, all that it started, and all that those started have taken."""
    children: dict[int, list[int]] = {}
    for each in _processes():
        children.setdefault(_parent(each), []).append(each)
    family = [pid]
    for each in family:  # grows while it is read
        family += children.get(each, [])
    return sum(sum(_times(each)) for each in family)


def process_with(*arguments: str) -> int:
    """Return the first process that has these arguments one after another."""
    wanted = b"\0".join(argument.encode() for argument in arguments)
    return next(pid for pid in _processes() if wanted in _file(pid, "cmdline"))


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


def _times(pid: int) -> list[float]:
    """Its own CPU in seconds as a program and in the kernel, and that of its children that have ended."""
    return [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in _stat(pid)[11:15]]


def _stat(pid: int) -> list[str]:
    """What follows the name, which may hold anything; nothing of a process that is gone."""
    return _file(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _file(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone meanwhile
        return b""
