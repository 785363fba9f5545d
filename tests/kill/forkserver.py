"""A process that has everything imported, and forks one child for each run of the command.

A run then begins in milliseconds instead of two seconds, and is still a process of its own that can be killed.
Requests come as JSON lines on stdin: {"arguments", "environment", "folder", "kill_at", "number"}; for each, a line
with {"pid"} and, when the child has ended, one with {"pid", "code"} goes to stdout.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import flows.commands.run
from flows.command_line import main
from tests.kill.boundaries import watch_boundaries

assert flows.commands.run  # imported now, so that no child has to


def child(asked: dict[str, Any]) -> None:
    """Run the command as asked, its output into files of its folder."""
    folder = Path(asked["folder"])
    os.chdir(folder)
    os.environ |= asked["environment"]
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder / f"{asked['number']}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), descriptor)
    watch_boundaries(folder, folder / f"{asked['number']}.boundaries", asked["kill_at"])
    code = 1
    try:
        code = main(asked["arguments"])
    finally:
        sys.stdout.flush()
        os._exit(code)


def say(**line: object) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def serve() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        say(pid=pid)
        threading.Thread(
            target=lambda pid=pid: say(pid=pid, code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        ).start()


if __name__ == "__main__":
    serve()
