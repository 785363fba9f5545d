"""What every test begins with: no settings of whoever runs it, and a folder of its own."""

import os
import signal
from pathlib import Path

import pytest

os.environ["DO_NOT_TRACK"] = "1"
# A shell makes its background jobs ignore interrupts, and so do their children: those that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("BOTIFY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
