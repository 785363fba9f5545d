"""`botify-export portfolio FILE`: the table, `--json`, exit codes and sentences; a worker where one is wanted."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.command_line import main
from tests.flows.processes import QUICK_WORKER, prefect, running
from tests.served import Serve

LIST = """\
url;max_rows;fields;group
sandbox/1.www.boost.org;1000;title,h1;good
sandbox/2.www.boost.org;1000;titel;
sandbox/forbidden;1000;;
sandbox/1.www.boost.org;1000;title,h1;lasts
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process: its exit code, stdout and stderr."""

    def run_it(*options: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["portfolio", *options, "--output-dir", "data"])
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return run_it


def written(text: str = LIST, name: str = "list.csv") -> str:
    Path(name).write_text(text)
    return name


def test_the_command_prints_a_table_and_what_is_missing_with_what_to_do(serve: Serve, run: Run) -> None:
    """The table on stdout is narrow; below it each reason, then the totals; stderr ends with the worst and its step."""
    serve(mirrors=2)
    code, out, err = run(written(), "--at-once", "1")
    assert code == 2
    table, field, forbidden, end = out.split("\n\n")
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["Project", "Analysis", "Status", "URLs", "Credits", "Time"]
    assert rows[1][:5] == ["sandbox/1.www.boost.org", "20261122-2", "completed", "494", "494"]
    assert [row[1:3] for row in rows[2:4]] == [["failed", "0"], ["failed", "0"]]
    assert field.splitlines() == [
        "sandbox/2.www.boost.org: failed. This analysis has no field 'titel'. Nearest: title.",
        "Correct --fields; the names are those of the project's own field list.",
    ]
    assert "Botify answered 403" in forbidden
    assert forbidden.endswith("\nAsk the project's owner for access, or Botify for API access.")
    totals = "2 of 4 projects are exported, for 494 credits; 2 failed"
    assert end.startswith(f"{totals}, in ")
    assert end.endswith(f"\nThe files are in {Path('data').resolve()}.\n")
    assert "sandbox/1.www.boost.org 20261122-2: completed, 494 URLs, 494 credits.\n" in err
    assert err.splitlines()[-2].startswith(f"{totals}. sandbox/2.www.boost.org: This analysis")
    assert err.splitlines()[-1].startswith("Correct --fields")
    assert "\x1b" not in out + err


def test_json_is_one_object_on_the_last_line(serve: Serve, run: Run) -> None:
    """Each export with its keys, in the list's order, and the totals; where all are there, stderr says no error."""
    served = serve(mirrors=1)
    code, out, _ = run(written(), "--group", "good", "--json")
    assert (code, out.count("\n")) == (0, 1)
    answer = json.loads(out)
    assert {name: answer[name] for name in ("exported", "rows", "credits")} == {
        "exported": 1,
        "rows": 494,
        "credits": 494,
    }
    (export,) = answer["exports"]
    assert set(export) == {
        *("project", "analysis", "status", "rows", "credits", "seconds"),
        *("says", "next_step", "exit_code", "flow_run_id"),
    }
    assert (export["status"], Path(export["says"]).is_dir()) == ("completed", True)
    code, out, err = run(written(), "--group", "good", "--only-new")
    assert (code, "skipped" in out) == (0, True)
    assert err.splitlines()[-1].endswith("20261122-2: skipped, 494 URLs, 0 credits.")
    assert len(served.sandbox.jobs) == 1


@pytest.mark.parametrize(
    ("faults", "options", "environment", "exit_code", "sentence"),
    [
        ((), ("--max-credits", "493"), {}, 2, "; max_credits stopped sandbox/1.www.boost.org.\nRaise max_credits"),
        (("create job 1: fail",), (), {}, 3, "; 1 failed. sandbox/1.www.boost.org: Job 1001 FAILED"),
        (
            ("create job 1: never finish",),
            (),
            {"BOTIFY_JOB_TIMEOUT": "0.1"},
            4,
            "; 1 not finished. sandbox/1.www.boost.org: Job 1001 is still",
        ),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    serve: Serve,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    faults: tuple[str, ...],
    options: tuple[str, ...],
    environment: dict[str, str],
    exit_code: int,
    sentence: str,
) -> None:
    """As a single export would end; with `--json` as well."""
    serve(*faults, mirrors=1)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, out, err = run(written(), "--group", "good", "--json", *options)
    assert (code, json.loads(out)["exported"]) == (exit_code, 0)
    assert sentence in err


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (
            "url;max_rows\nsandbox/1.www.boost.org;none\n",
            (),
            "list.csv: line 2, max_rows: Input should be a valid integer",
        ),
        ("url\n", (), "list.csv: there is no project in it."),
        (LIST, ("--group", "best"), "No project is of the group 'best'; the groups are: good, lasts."),
        (
            LIST,
            ("--deployment", "export-crawl/nowhere"),
            "This Prefect server has no deployment 'export-crawl/nowhere'.",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anybody_is_asked(
    serve: Serve, run: Run, text: str, options: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, nothing on stdout."""
    served = serve(mirrors=1)
    code, out, err = run(written(text), *options)
    assert (code, out) == (2, "")
    assert sentence in err
    assert served.sandbox.requests == ()


def test_a_token_is_needed_where_it_is_used(serve: Serve, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, or where workers export, for what is counted here; not where every project names its own."""
    served = serve(mirrors=1)
    monkeypatch.delenv("BOTIFY_API_TOKEN")
    for options in ((), ("--deployment", "export-crawl/nowhere", "--max-credits", "5")):
        code, _, err = run(written(), *options)
        assert (code, err.splitlines()[0].startswith("No Botify API token")) == (2, True)
    code, _, err = run(written("url;credentials\nsandbox/1.www.boost.org;nobodys\n"))
    assert (code, "There is no block botify-credentials/nobodys." in err) == (2, True)
    assert served.sandbox.requests == ()


def test_a_deployment_needs_a_server_that_stays(serve: Serve, run: Run) -> None:
    """A temporary one would be gone before a worker found it."""
    served = serve(mirrors=1)
    with temporary_settings({PREFECT_API_URL: None}):
        code, _, err = run(written(), "--deployment")
    assert (code, err.splitlines()[0]) == (4, "No Prefect server is running, and a deployment needs one.")
    assert served.sandbox.requests == ()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--at-once", "0"), "must be 1 or more, not 0"),
        (("--spread-minutes", "soon"), "invalid number of minutes value: 'soon'"),
        (("--spread-minutes", "-1"), "must be 0 or more, not -1"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    options: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """With what it should be."""
    with pytest.raises(SystemExit) as refusal:
        main(["portfolio", "list.csv", *options])
    assert refusal.value.code == 2
    assert capfd.readouterr().err.endswith(f"{says}\n")


def test_workers_export_the_projects_of_a_list(serve: Serve, run: Run, prefect_api: str, tmp_path: Path) -> None:
    """Deployed with Prefect's own tools, exported by a worker's processes, told by the command as if it were here."""
    served = serve(mirrors=2)
    own = {"PREFECT_API_URL": prefect_api, "BOTIFY_DATA_DIR": str(tmp_path / "data")}
    known = os.environ | served.environment | own | QUICK_WORKER
    assert prefect(known, "work-pool", "create", "botify-export", "--type", "process", "--overwrite").returncode == 0
    deployed = prefect(known, "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    assert deployed.returncode == 0, deployed.stderr
    text = "url,max_rows,fields\nsandbox/1.www.boost.org,1000,\nsandbox/2.www.boost.org,1000,titel\n"
    with running(known, tmp_path, "prefect", "worker", "start", "--pool", "botify-export"):
        code, out, err = run(written(text), "--deployment", "--json")
    assert code == 2, err
    first, second = json.loads(out.splitlines()[-1])["exports"]  # the worker writes to the same stdout
    assert (first["status"], first["rows"], first["credits"]) == ("completed", 494, 494)
    assert Path(first["says"]).is_relative_to(tmp_path / "data")
    assert (second["status"], second["exit_code"], second["next_step"][:16]) == ("failed", 2, "Correct --fields")
    assert second["says"] == "This analysis has no field 'titel'. Nearest: title."
    assert len(served.sandbox.jobs) == 1
