"""A process that has everything imported, and forks one child for each run of the command.

A run then begins in milliseconds instead of two seconds, and is still a process of its own that can be killed.
Requests come as JSON lines on stdin: {"program", "arguments", "environment", "folder", "kill_at", "number",
"file_size_limit"}. For each, a line with {"pid"} goes to stdout, and when the child has ended, one with
{"pid", "code"}.
"""

import asyncio
import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flows.commands.run
from flows.command_line import main
from tasks.botify.client import BotifyClient
from tasks.exports.settings import Settings
from tasks.ledger.ledger import Ledger
from tasks.ledger.lock import export_lock
from tasks.ledger.submission import Submission
from tests.core.conversation import request
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
    if limit := asked["file_size_limit"]:  # a full disk, for this process alone
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    code = 1
    try:
        code = PROGRAMS[asked["program"]](asked["arguments"])
    finally:
        sys.stdout.flush()
        os._exit(code)


def bring_to_its_job(_: list[str]) -> int:
    """The guarded part of a run alone, under its lock and without Prefect: fast enough to race fifty times."""
    settings = Settings.load("data")
    asked = request(api=settings.api_url)

    async def submit() -> None:
        lock = export_lock(settings.places.lock(asked), "the other", lambda holder: None)
        async with lock, BotifyClient(settings) as client:
            record = await Submission(client, Ledger.in_folder(settings.places.data_dir), asked).job()
        print(json.dumps({"jobs": [{"job_id": record.job_id, "decision": record.decision}]}))

    asyncio.run(submit())
    return 0


PROGRAMS: dict[str, Callable[[list[str]], int]] = {"command": main, "submission": bring_to_its_job}


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
