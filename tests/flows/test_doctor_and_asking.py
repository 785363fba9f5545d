"""`doctor`, and `--analysis ask` in a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.command_line import main
from tests.served import BOOST_URL, Serve

Said = pytest.CaptureFixture[str]
COMMAND = Path(sys.executable).with_name("botify-export")
NAMES = ["versions", "prefect", "disk", "credentials", "user", "project"]


def diagnosis(capfd: Said, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    capfd.readouterr()
    assert main(["doctor", *arguments, "--json"]) == code
    return {check["name"]: check for check in json.loads(capfd.readouterr().out)["checks"]}


def test_a_doctor_finds_everything_well(serve: Serve, capfd: Said) -> None:
    """Versions, server, disk, token, user, project: one line each, and nothing is made or paid for."""
    served = serve()
    found = diagnosis(capfd, BOOST_URL)
    assert list(found) == NAMES
    assert all(check["holds"] for check in found.values())
    assert "the token is sandbox.user's" in found["user"]["says"]
    assert "5 analyses, the newest 20261122-2" in found["project"]["says"]
    assert not served.sandbox.jobs
    assert main(["doctor"]) == 0
    assert [line.split()[1] for line in capfd.readouterr().out.splitlines()] == NAMES[:-1]


@pytest.mark.parametrize(
    ("environment", "faults", "code", "ill"),
    [
        ({"BOTIFY_API_TOKEN": "wrong"}, (), 3, ["user", "project"]),
        ({"BOTIFY_API_TOKEN": ""}, (), 2, ["credentials", "user", "project"]),
        ({"BOTIFY_DATA_DIR": "/proc/nowhere"}, (), 4, ["disk"]),
        ({}, ("list analyses 1+: answer 404 code 1010",), 3, ["project"]),
    ],
)
def test_a_doctor_names_what_is_ill(
    serve: Serve,
    capfd: Said,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    faults: tuple[str, ...],
    code: int,
    ill: list[str],
) -> None:
    """Everything is looked at, and the exit code is that of the first thing that is wrong."""
    serve(*faults)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = diagnosis(capfd, BOOST_URL, code=code)
    assert [name for name, check in found.items() if not check["holds"]] == ill


def test_where_botify_does_not_say_whose_token_it_is(serve: Serve, capfd: Said) -> None:
    """The question is not documented (§1.1): no answer is no illness."""
    serve("profile 1+: answer 404")
    assert "whose it is Botify does not say" in diagnosis(capfd)["user"]["says"]


def asked_in_a_terminal(typed: str, *options: str) -> tuple[int, str, str]:
    """Run the command with a terminal for its standard input, on which this is typed."""
    ours, theirs = pty.openpty()
    arguments = [str(COMMAND), "run", BOOST_URL, "--max-rows", "1000", "--analysis", "ask", "--json", *options]
    try:
        os.write(ours, typed.encode())
        done = subprocess.run(arguments, stdin=theirs, capture_output=True, text=True, check=False, env=os.environ)
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("typed", "chosen"), [("\n", "20261122-2"), ("3\n", "20261101"), ("none\n20261001\n", "20261001")]
)
def test_the_terminal_asks_which_analysis(serve: Serve, prefect_api: str, typed: str, chosen: str) -> None:
    """By number or by name, the newest unless something else is typed; asked again when it is none of them."""
    serve()
    with pytest.MonkeyPatch.context() as server:
        server.setenv("PREFECT_API_URL", prefect_api)
        code, out, err = asked_in_a_terminal(typed)
    assert code == 0, err
    assert json.loads(out)["analysis"] == chosen
    assert ("'none' is none of them." in err) == typed.startswith("none")


def test_nobody_is_asked_where_there_is_no_terminal(serve: Serve, capfd: Said) -> None:
    """A script gets a sentence instead of a question that nobody sees."""
    served = serve()
    assert main(["run", BOOST_URL, "--analysis", "ask"]) == 2
    assert "standard input is no terminal" in capfd.readouterr().err
    assert not served.sandbox.requests
