"""The command, as a person or a script uses it: exit codes, sentences, `--json`."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox import Route
from flows.command_line import main
from tasks.delivery.manifest import problems
from tests.flows.breakable_line import breakable_line
from tests.served import BOOST_URL, Serve, Served, wait_for

COMMAND = str(Path(sys.executable).with_name("botify-export"))
README = Path(__file__).parents[2] / "README.md"


@dataclass(frozen=True)
class Case:
    """One row of the README's table: what goes wrong, and what the command says and returns."""

    exit_code: int
    sentence: str
    """A regular expression that finds what happened on stderr."""
    faults: tuple[str, ...] = ()
    behaviour: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    url: str = BOOST_URL
    environment: dict[str, str] = field(default_factory=dict)
    jobs: int = 0
    """How many jobs the sandbox has afterwards."""
    prepare: Callable[[Path], object] = lambda data_dir: None


CASES = {
    "The address is not that of a Botify project": Case(2, "is not Botify", url="https://example.com/a/b"),
    "There is no token": Case(2, "No Botify API token", environment={"BOTIFY_API_TOKEN": ""}),
    "The analysis is unknown, or did not succeed": Case(
        2, "has no analysis 19990101", options=("--analysis", "19990101")
    ),
    "A field is unknown": Case(2, "no field 'titel'. Nearest: title", options=("--fields", "titel")),
    "Not even the first depth fits `--max-rows`": Case(
        2, "Depth 0 alone holds 3 URLs", behaviour={"scale": 3}, options=("--max-rows", "2")
    ),
    "More than `--max-credits` would have to be paid": Case(
        2,
        "This would cost 494 credits, more than --max-credits 493",
        options=("--max-credits", "493"),
    ),
    "`--coverage full` and `--max-depth` contradict each other": Case(
        2, "--coverage full exports every depth", options=("--coverage", "full", "--max-depth", "3")
    ),
    "A slice of the whole site fails": Case(
        3,
        r"1 of 7 slices are missing, and nothing was published\. Slice 2 \(depth 3, byte_size below",
        ("create job 2: fail",),
        {"null_depth_rows": 1},
        options=("--coverage", "full"),
        environment={"BOTIFY_PARALLEL_JOBS": "1"},  # so that the second job is the second slice's
        jobs=7,
    ),
    "A setting or an option is impossible": Case(
        2, "BOTIFY_POLL_SECONDS: .*number", environment={"BOTIFY_POLL_SECONDS": "soon"}
    ),
    "The token is refused (401)": Case(3, r"Not Authorized \(1001\)", environment={"BOTIFY_API_TOKEN": "wrong"}),
    "The project is forbidden (403)": Case(3, r"answered 403, .*\(1002\)", url="sandbox/forbidden"),
    "The project is unknown (404)": Case(3, r"answered 404, .*\(1010\)", url="sandbox/unknown"),
    "Botify refuses the job (another 4xx)": Case(3, r"answered 400.*\(1029\)", ("create job 1: answer 400 code 1029",)),
    "The job FAILED": Case(
        3, "FAILED; Botify said: .*the disk is full", ("create job 1: fail error the disk is full",), jobs=1
    ),
    "Botify no longer has the file": Case(3, "The file is gone", ("download 1+: expired 410",), jobs=1),
    "The rows found are not the rows counted": Case(
        3, "expected 494, found 491", behaviour={"export_rows_offset": -3}, jobs=1
    ),
    "The file is not a table of the columns asked for": Case(
        3, "not kept|columns", ("download 1+: answer 200 html",), jobs=1
    ),
    "Botify gives no usable answer": Case(4, "answered 502, .*10 times", ("query 1+: answer 502 html",)),
    "Too many requests, for a quarter of an hour": Case(
        4,
        "No job was made: Botify answered 429",
        ("create job 1+: answer 429",),
        environment={"BOTIFY_JOB_TIMEOUT": "0.5"},
    ),
    "The answer to the job's POST is lost, and the list does not show it (`stop`)": Case(
        4,
        "A job was sent, no answer came",
        ("create job 1: do, then drop",),
        {"listed": False},
        environment={"BOTIFY_ON_AMBIGUOUS": "stop"},
        jobs=1,
    ),
    "The job outlasts `BOTIFY_JOB_TIMEOUT`": Case(
        4,
        "is still PROCESSING after",
        ("create job 1: never finish",),
        environment={"BOTIFY_JOB_TIMEOUT": "0.3"},
        jobs=1,
    ),
    "The download stays damaged": Case(4, "checksum|damaged", ("download 1+: flip at 4000",), jobs=1),
    "The data folder cannot be written to": Case(
        4, "cannot be", prepare=lambda data_dir: data_dir.write_text("a file in its place")
    ),
}  # fmt: skip


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    env = os.environ | (environment or {})
    return subprocess.run([COMMAND, *arguments], env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def with_server(monkeypatch: pytest.MonkeyPatch, prefect_api: str) -> None:
    """Processes of their own find the tests' Prefect server."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)


@pytest.mark.parametrize("what", CASES)
def test_each_error_of_the_readme_has_its_exit_code_and_its_sentence(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    """What happened and what to do next, no traceback, nothing published, and no job too many."""
    case = CASES[what]
    served = serve(*case.faults, **case.behaviour)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    case.prepare(tmp_path / "data")
    code = main(["run", case.url, "--max-rows", "1000", "--output-dir", str(tmp_path / "data"), *case.options])
    said = capfd.readouterr()
    assert code == case.exit_code, said.err
    assert re.search(case.sentence, said.err), said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert said.err.rstrip().splitlines()[-1].endswith((".", "/", "`"))  # the next step comes last
    assert len(served.sandbox.jobs) == case.jobs
    assert not list(tmp_path.rglob("manifest.json"))


def test_the_readme_lists_every_error_that_is_tested_and_no_other() -> None:
    """The table "How it behaves": what goes wrong, and its exit code."""
    section = README.read_text(encoding="utf-8").partition("## How it behaves")[2].partition("\n## ")[0]
    listed = {what: int(code) for what, code in re.findall(r"^\| (.+?) \| (\d) \|", section, re.MULTILINE)}
    elsewhere = {
        "A name is no export's, a path no published folder (`resume`, `verify`)": 2,
        "The file of a portfolio cannot be used (`portfolio`)": 2,
        "Not all of a portfolio fits `--max-credits` (`portfolio`)": 2,
        "There is no such deployment (`portfolio --deployment`)": 2,
        "A project of a portfolio fails (`portfolio`)": 3,
        "A published file does not hold (`verify`)": 4,
        "The Prefect server that was named does not answer": 4,
        "A bucket, but no Prefect server that the machines share": 4,
        "The Prefect server does not renew a run's lease of its export": 4,
        "Another run wrote the ledger meanwhile": 4,
        "Interrupted (Ctrl-C, SIGTERM)": 4,
        "A bug": 1,
    }
    assert listed == {what: case.exit_code for what, case in CASES.items()} | elsewhere


@pytest.mark.usefixtures("with_server")
def test_run_prints_one_json_object_and_everything_else_elsewhere(serve: Serve, tmp_path: Path) -> None:
    """The documented keys, absolute paths; then the same again, reused."""
    served = serve()
    arguments = ("run", BOOST_URL, "--max-rows", "1000", "--output-dir", "data", "--json")
    first = run(*arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("\n") == 1
    answer = json.loads(first.stdout)
    folder = tmp_path / "data" / "sandbox" / "www.boost.org" / "20261122-2"
    assert set(answer) == {
        *("status", "org", "project", "analysis", "max_depth", "rows", "urls_total"),
        *("csv", "parquet", "excel", "manifest"),
        *("jobs", "flow_run_id", "flow_run_url"),
    }
    assert (answer["status"], answer["rows"], answer["jobs"]) == (
        "completed",
        494,
        [{"job_id": "1001", "decision": "submitted"}],
    )
    assert all(Path(answer[key]).is_relative_to(folder) for key in ("csv", "parquet", "manifest"))
    assert answer["flow_run_id"] in answer["flow_run_url"]
    second = json.loads(run(*arguments).stdout)
    assert (second["status"], second["jobs"]) == ("reused", [{"job_id": "1001", "decision": "reused"}])
    assert len(served.sandbox.jobs) == 1


@pytest.mark.usefixtures("with_server")
def test_run_says_in_words_what_it_delivered(serve: Serve) -> None:
    """In a pipe: plain lines, no control characters; the summary on stdout."""
    serve()
    done = run("run", "sandbox/www.boost.org", "--max-rows", "1000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "494 URLs of sandbox/www.boost.org 20261122-2 to depth 2, 13.0 % of the site: completed."
    )
    assert "494 URLs to depth 2, 13.0 % of the site; 3,576 to depth 3 would exceed the limit of 1,000." in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_prefect_server_a_temporary_one_is_started_and_leaves_no_traceback(
    serve: Serve, tmp_path: Path
) -> None:
    """It says so, keeps its database, and is gone afterwards."""
    serve()
    done = run(
        "run", BOOST_URL, "--max-rows", "1000", "--json", environment={"PREFECT_HOME": str(tmp_path / "prefect")}
    )
    assert done.returncode == 0, done.stderr
    assert "No Prefect server is running: starting a temporary one" in done.stderr
    assert "Traceback" not in done.stderr
    assert "ERROR" not in done.stderr
    assert json.loads(done.stdout)["flow_run_url"] is None
    assert (tmp_path / "prefect" / "prefect.db").exists()


def test_a_prefect_server_that_was_named_and_does_not_answer_is_said(serve: Serve) -> None:
    """Exit code 4 before anything is asked of Botify."""
    served = serve()
    done = run("run", BOOST_URL, environment={"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert done.returncode == 4
    assert "No Prefect server answers at http://127.0.0.1:9/api." in done.stderr
    assert "Traceback" not in done.stderr
    assert served.sandbox.requests == ()


def test_a_run_that_loses_its_prefect_server_still_finishes_its_files(serve: Serve, prefect_api: str) -> None:
    """Reporting never stalls or breaks what it reports on; exit code 0."""
    served = serve(job_seconds=1.0)
    arguments = [COMMAND, "run", BOOST_URL, "--max-rows", "1000", "--json"]
    with breakable_line(prefect_api) as (line, address):
        env = os.environ | {"PREFECT_API_URL": address, "PREFECT_CLIENT_MAX_RETRIES": "0"}
        with subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            wait_for(served.sandbox, Route.READ_JOB)
            line.cut()
            assert child.stdout is not None
            answer = json.loads(child.stdout.readline())
            line.mend()  # Prefect sends the rest of its events before it lets the process end
            _, said = child.communicate()
    assert (child.returncode, answer["status"], answer["rows"]) == (0, "completed", 494)
    assert problems(Path(answer["manifest"]).parent) == []
    assert "Traceback" not in said


@pytest.mark.usefixtures("with_server")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_in_order_and_the_next_goes_on(serve: Serve, number: signal.Signals) -> None:
    """Exit code 4 in the middle of a wait; the job goes on at Botify and stays known."""
    served = serve(job_seconds=3600)
    arguments = [COMMAND, "run", BOOST_URL, "--max-rows", "1000"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as child:
        wait_for(served.sandbox, Route.READ_JOB)
        child.send_signal(number)
        assert child.stderr is not None
        said = child.stderr.read()
        assert child.wait() == 4
    assert "Interrupted. A job that was submitted goes on at Botify, and stays known." in said
    assert "Run the same command again" in said
    assert "Traceback" not in said
    assert len(served.sandbox.jobs) == 1


def test_plan_shows_the_depths_and_the_credits_and_creates_no_job(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same choice as `run`; no Prefect, nothing written."""
    served = serve(null_depth_rows=5)
    assert main(["plan", BOOST_URL, "--max-rows", "1000"]) == 0
    said = capfd.readouterr().out
    assert re.search(r"^ +2 +440 +494 +12\.9 % +yes$", said, re.MULTILINE)
    assert re.search(r"^ +3 +3,082 +3,576 +93\.7 % +no$", said, re.MULTILINE)
    assert re.search(r"^ +none +5 +no$", said, re.MULTILINE)
    assert "494 URLs to depth 2, 12.9 % of the site" in said
    assert "costs 494 credits. No job was created." in said
    assert no_job(served)
    assert not Path("data").exists()


def test_plan_prints_the_keys_of_a_run_as_far_as_they_exist(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """And the credits."""
    served = serve()
    assert main(["plan", BOOST_URL, "--max-rows", "1000", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "org": "sandbox",
        "project": "www.boost.org",
        "analysis": "20261122-2",
        "max_depth": 2,
        "rows": 494,
        "urls_total": 3811,
        "credits": 494,
        "credits_to_pay": 494,
        "slices": [{"filter": "to depth 2", "rows": 494, "state": None, "job_id": None}],
    }
    assert no_job(served)


@pytest.mark.parametrize("options", [("--fields", "titel"), ("--analysis", "19990101")])
def test_plan_refuses_what_run_would_refuse(
    serve: Serve, capfd: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """With the same sentence and exit code."""
    serve()
    assert main(["plan", BOOST_URL, *options]) == 2
    assert "has no" in capfd.readouterr().err


def test_analyses_are_listed_newest_first_with_what_is_on_this_disk(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slug, date, status, URL count, and the exports that are here already."""
    serve()
    assert main(["run", BOOST_URL, "--max-rows", "1000"]) == 0
    capfd.readouterr()
    assert main(["analyses", BOOST_URL]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[1].split()[:6] == ["20261122-2", "2026-11-22", "11:00", "success", "3,811", lines[1].split()[5]]
    assert lines[1].split()[5].startswith("depth-2-")
    assert [line.split()[0] for line in lines[1:4]] == ["20261122-2", "20261122", "20261101"]
    assert main(["analyses", BOOST_URL, "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    first, second = answer["analyses"][:2]
    assert (first["slug"], first["status"], first["urls"], len(first["published"])) == (
        "20261122-2",
        "success",
        3811,
        1,
    )
    assert Path(first["published"][0]).is_absolute()
    assert second["published"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["export"],
        ["run"],
        ["run", BOOST_URL, "--max-rows", "0"],
        ["run", BOOST_URL, "--max-rows", "many"],
        ["run", BOOST_URL, "--max-depth", "-1"],
        ["run", BOOST_URL, "--no-such-option"],
        ["run", BOOST_URL, "--refres"],
        ["plan", BOOST_URL, "--refresh"],
    ],
)
def test_a_command_that_makes_no_sense_is_refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and a line that says what is wrong."""
    with pytest.raises(SystemExit) as refusal:
        main(arguments)
    assert refusal.value.code == 2
    assert "error: " in capfd.readouterr().err


def test_help_names_the_commands_and_the_exit_codes(capfd: pytest.CaptureFixture[str]) -> None:
    """What a person types first."""
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    said = capfd.readouterr().out
    assert all(word in said for word in ("run", "plan", "analyses", "sandbox", "demo", "exit codes:"))


def test_a_bug_shows_its_traceback_and_says_that_nothing_is_lost(
    serve: Serve, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1; the standard library stands in for what nobody foresaw."""
    serve()

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("json.dumps", broken)
    assert main(["plan", BOOST_URL, "--json"]) == 1
    said = capfd.readouterr().err
    assert "ZeroDivisionError: nobody foresaw this" in said
    assert "This is a bug in botify-export" in said


def test_the_sandbox_says_where_it_is_and_stops_when_interrupted() -> None:
    """`botify-export sandbox`: the addresses, the token, and a project to paste."""
    with subprocess.Popen(
        [COMMAND, "sandbox", "--api-port", "0", "--files-port", "0"], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said = "".join(iter(child.stdout.readline, "Projects:\n"))
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
        assert child.wait() == 0
    assert re.search(r"export BOTIFY_API_URL=http://127\.0\.0\.1:\d+/v1\n", said)
    assert "export BOTIFY_API_TOKEN=" in said
    assert BOOST_URL in rest


def no_job(served: Served) -> bool:
    return not any(seen.route is Route.CREATE_JOB for seen in served.sandbox.requests)
