"""PostgreSQL from the system's packages, in a folder of its own, until the end of a block."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.ports import free_ports

# Debian puts each version into a folder of its own.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
# Its programs refuse to be run by root; Debian's package makes this user.
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def postgres() -> Iterator[str]:
    """Serve an empty database on loopback; yield its address for Prefect."""
    with TemporaryDirectory(prefix="postgres-") as folder:
        if AS_POSTGRES:
            subprocess.run(["chown", "postgres", folder], check=True)
        (port,) = free_ports(1)
        _run("initdb", "--pgdata", f"{folder}/data", "--username", "prefect", "--auth", "trust", "--no-sync")
        options = f"-p {port} -k {folder} -h 127.0.0.1 -c max_connections=200"
        _run("pg_ctl", "start", "--pgdata", f"{folder}/data", "--options", options, "--log", f"{folder}/log")
        try:
            _run("createdb", "--host", "127.0.0.1", "--port", str(port), "--username", "prefect", "prefect")
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
        finally:
            _run("pg_ctl", "stop", "--pgdata", f"{folder}/data", "--mode", "fast")


def _run(program: str, *arguments: str) -> None:
    assert PROGRAMS, "PostgreSQL is not installed: `apt-get install postgresql`."
    command = [*AS_POSTGRES, str(PROGRAMS / program), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
