"""The commands and the whole site: what it costs, how far it is, finishing it, proving it."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox import Route
from flows.command_line import main
from tasks.ledger.sites import SiteLedger, SiteRecord
from tests.flows.folders import contents
from tests.served import Serve, wait_for

COMMAND = str(Path(sys.executable).with_name("botify-export"))
URL = "sandbox/www.postgresql.org"
TOTAL, TO_DEPTH_1 = 1169, 112
# Two slices: to depth 1, and depth 2.
LIMITS = ["--max-rows", "1100"]
DEPTH = ["run", URL, *LIMITS]
RUN = [*DEPTH, "--coverage", "full"]
PLAN = ["plan", URL, *LIMITS, "--coverage", "full"]

Said = pytest.CaptureFixture[str]


def answer(capfd: Said, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run a command with `--json` and return its answer."""
    capfd.readouterr()
    assert main([*arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def refused(capfd: Said, *arguments: str, code: int) -> str:
    """Run a command that fails, and return what it says about it."""
    capfd.readouterr()
    assert main([*arguments]) == code
    return capfd.readouterr().err


def by_name(listed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {export["name"]: export for export in listed["exports"]}


@pytest.fixture
def with_server(monkeypatch: pytest.MonkeyPatch, prefect_api: str) -> None:
    """Processes of their own find the tests' Prefect server."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)


def interrupted(*arguments: str) -> None:
    """Run until the jobs are submitted, and no further."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTIFY_JOB_TIMEOUT", "0")
        assert main([*arguments]) == 4


def test_run_prints_one_object_with_a_job_for_each_slice(serve: Serve, capfd: Said) -> None:
    """`max_depth` is null, everything else keeps its meaning; the second time, it is reused."""
    served = serve()
    first = answer(capfd, *RUN)
    assert first["jobs"] == [{"job_id": f"{job.number}", "decision": "submitted"} for job in _in_plan_order(served)]
    assert (first["status"], first["max_depth"], first["rows"], first["urls_total"]) == (
        "completed",
        None,
        TOTAL,
        TOTAL,
    )
    assert all(Path(first[name]).exists() for name in ("csv", "parquet", "manifest"))
    second = answer(capfd, *RUN)
    assert second["jobs"] == [{"job_id": job["job_id"], "decision": "reused"} for job in first["jobs"]]
    assert (second["status"], second["manifest"], len(served.sandbox.jobs)) == ("reused", first["manifest"], 2)
    assert main(RUN) == 0
    assert "1,169 URLs of sandbox/www.postgresql.org 20261122-2, 100.0 % of the site: reused." in capfd.readouterr().out


def _in_plan_order(served: Any) -> list[Any]:
    return sorted(served.sandbox.jobs, key=lambda job: job.export.row_count)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-depth", "2"], r"--coverage full exports every depth, and --max-depth 2 does not\."),
        (["--max-credits", "1168"], r"1,169 credits, more than --max-credits 1,168\.\nRaise --max-credits"),
    ],
)
def test_what_would_be_wrong_costs_nothing(serve: Serve, capfd: Said, arguments: list[str], words: str) -> None:
    """Exit code 2, and no job."""
    served = serve()
    assert re.search(words, refused(capfd, *RUN, *arguments, code=2))
    assert served.sandbox.jobs == ()
    assert not Path("data").exists() or contents(Path("data")) == {}


def test_a_failed_slice_is_said_with_the_code_that_it_would_have_alone(serve: Serve, capfd: Said) -> None:
    """Exit code 3; running again makes only this one."""
    served = serve("create job 1: fail")
    said = refused(capfd, *RUN, code=3)
    assert re.search(r"1 of 2 slices are missing, and nothing was published\. Slice \d \(.*\): Job \d+ FAILED", said)
    assert "running again makes only what is missing" in said
    assert "Traceback" not in said
    assert main(RUN) == 0
    assert len(served.sandbox.jobs) == 3


def test_the_plan_shows_what_each_slice_costs_and_how_far_it_is(serve: Serve, capfd: Said) -> None:
    """Before, when the depth is paid for, and when all is done; it makes no job and writes nothing."""
    served = serve()
    before = answer(capfd, *PLAN)
    assert before["slices"] == [
        {"filter": "to depth 1", "rows": TO_DEPTH_1, "state": None, "job_id": None},
        {"filter": "depth 2", "rows": TOTAL - TO_DEPTH_1, "state": None, "job_id": None},
    ]
    assert (before["max_depth"], before["rows"], before["urls_total"]) == (None, TOTAL, TOTAL)
    assert (before["credits"], before["credits_to_pay"]) == (TOTAL, TOTAL)
    assert not Path("data").exists()
    depth = answer(capfd, *DEPTH)
    with_depth = answer(capfd, *PLAN)
    assert with_depth["slices"][0] | {"rows": 0} == {
        "filter": "to depth 1",
        "rows": 0,
        "state": "published",
        "job_id": depth["jobs"][0]["job_id"],
    }
    assert with_depth["credits_to_pay"] == TOTAL - TO_DEPTH_1
    assert main(PLAN) == 0
    said = capfd.readouterr().out
    assert re.search(rf"^ +1 +112 +112 +to depth 1 +published +{depth['jobs'][0]['job_id']}$", said, re.MULTILINE)
    assert re.search(r"^ +2 +1,057 +1,057 +depth 2 +to do *$", said, re.MULTILINE)
    assert "1,169 URLs in 2 slices of at most 1,100 rows, for 1,169 credits." in said
    assert "costs 1,169 credits, of which 1,057 are not paid yet. No job was created." in said
    assert len(served.sandbox.jobs) == 1
    assert main(RUN) == 0
    done = answer(capfd, *PLAN)
    assert [each["state"] for each in done["slices"]] == ["published", "merged"]
    assert done["credits_to_pay"] == 0


def test_exports_shows_the_site_its_slices_and_the_credits(serve: Serve, capfd: Said) -> None:
    """While it waits for its jobs, and when it is published."""
    serve(job_seconds=0.5)
    interrupted(*RUN)
    waiting = answer(capfd, "exports")
    names = by_name(waiting)
    (site,) = [export for export in names.values() if export["slices"]]
    slices = [export for export in names.values() if export["part_of"]]
    assert site["name"].startswith("full-")
    assert (site["state"], site["slices"], site["rows"], site["credits_to_pay"]) == ("planned", 2, TOTAL, 0)
    assert site["next_step"] == f"`botify-export resume {site['name']}`"
    assert {export["part_of"] for export in slices} == {site["name"]}
    assert [export["next_step"] for export in slices] == [f"part of {site['name']}"] * 2
    assert sorted((export["state"], export["rows"]) for export in slices) == [("submitted", 112), ("submitted", 1057)]
    (spent,) = waiting["credits"]
    assert (spent["org"], spent["project"], spent["jobs"], spent["credits"]) == (*URL.split("/"), 2, TOTAL)
    done = answer(capfd, *RUN)
    listed = answer(capfd, "exports")
    published = by_name(listed)[site["name"]]
    assert (published["state"], published["manifest"], published["next_step"]) == ("published", done["manifest"], "")
    assert sorted(export["state"] for export in listed["exports"]) == ["merged", "merged", "published"]
    assert listed["credits"] == waiting["credits"]
    assert main(["exports"]) == 0
    said = capfd.readouterr().out
    assert re.search(rf"{site['name']} +{URL} +20261122-2 +1,169 +published +2 slices", said)
    assert re.search(rf"{spent['day']} +{URL} +2 +1,169$", said, re.MULTILINE)


def test_what_is_still_to_be_paid_is_counted(serve: Serve, capfd: Said) -> None:
    """A slice that failed; and of a refresh that was killed before its first job, all of them."""
    serve("create job 1: fail")
    assert main(RUN) == 3
    listed = answer(capfd, "exports")
    (site,) = [export for export in listed["exports"] if export["slices"]]
    (failed,) = [export for export in listed["exports"] if export["state"] == "failed"]
    assert site["credits_to_pay"] == answer(capfd, *PLAN)["credits_to_pay"] == failed["rows"]
    assert main(RUN) == 0
    sites = SiteLedger.in_folder(Path("data"))
    (record,) = sites.all()
    assert isinstance(record, SiteRecord)
    sites.write(sites.planned(record.request, record.plan, refresh=True))
    (site,) = [export for export in answer(capfd, "exports")["exports"] if export["slices"]]
    assert (site["state"], site["credits_to_pay"]) == ("planned", TOTAL)
    assert answer(capfd, *PLAN)["credits_to_pay"] == TOTAL


def test_exports_without_a_job_shows_no_empty_table(serve: Serve, capfd: Said) -> None:
    """Nothing was paid for: nothing is said of it."""
    serve("create job 1+: answer 403 code 1002")
    assert main(RUN) == 3
    capfd.readouterr()
    assert main(["exports"]) == 0
    said = capfd.readouterr().out
    assert "withdrawn" in said
    assert "Empty" not in said


def test_a_damaged_record_of_a_site_is_listed_and_repaired(serve: Serve, capfd: Said) -> None:
    """Sliced anew into the slices whose jobs are known: nothing is paid for."""
    served = serve()
    first = answer(capfd, *RUN)
    (record,) = Path("data/.botify-export/sites").iterdir()
    record.write_text("{")
    (damaged,) = [export for export in answer(capfd, "exports")["exports"] if export["state"] is None]
    assert (damaged["name"], "damaged" in damaged["next_step"]) == (record.stem[:16], True)
    again = answer(capfd, *RUN)
    assert [job["decision"] for job in again["jobs"]] == ["reconnected"] * 2
    assert again["manifest"] == first["manifest"]
    assert len(served.sandbox.jobs) == 2
    assert [export["state"] for export in answer(capfd, "exports")["exports"]].count("published") == 1


def test_resume_brings_a_site_to_its_end(serve: Serve, capfd: Said) -> None:
    """Without a name and by name; its slices come with it, and are no exports of their own."""
    served = serve(job_seconds=0.5)
    interrupted(*RUN)
    (name,) = [export["name"] for export in answer(capfd, "exports")["exports"] if export["slices"]]
    resumed = answer(capfd, "resume")
    (export,) = resumed["exports"]
    assert (export["status"], export["rows"], export["max_depth"], resumed["failed"]) == ("completed", TOTAL, None, {})
    assert [job["decision"] for job in export["jobs"]] == ["reconnected"] * 2
    assert answer(capfd, "resume") == {"exports": [], "failed": {}}
    (record,) = Path("data/.botify-export/sites").iterdir()
    for known in (name, record.stem[:8]):
        assert answer(capfd, "resume", known)["exports"][0]["status"] == "reused"
    Path(export["manifest"]).parent.rename("elsewhere")
    (listed,) = [each for each in answer(capfd, "exports")["exports"] if each["slices"]]
    assert "its files are missing" in listed["next_step"]
    assert answer(capfd, "resume")["exports"][0]["manifest"] == export["manifest"]
    assert len(served.sandbox.jobs) == 2


def test_resume_says_which_slice_fails(serve: Serve, capfd: Said) -> None:
    """Under the site's name; the exit code is the failure's."""
    serve("create job 1: never finish")
    interrupted(*RUN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTIFY_JOB_TIMEOUT", "0.5")
        resumed = answer(capfd, "resume", code=4)
    assert resumed["exports"] == []
    assert ["1 of 2 slices are missing" in text for text in resumed["failed"].values()] == [True]


@pytest.mark.usefixtures("with_server")
def test_an_export_to_a_depth_is_resumed_although_a_site_has_its_rows(serve: Serve, capfd: Said) -> None:
    """It was asked for by itself after the site was published, and is no part of that any more."""
    served = serve("download 3: stall at 100")
    assert main(RUN) == 0
    with subprocess.Popen([COMMAND, *DEPTH], stderr=subprocess.DEVNULL) as child:
        _wait_for_downloads(served, 3)
        child.kill()
    (waiting,) = [export for export in answer(capfd, "exports")["exports"] if export["state"] == "done"]
    assert waiting["next_step"] == f"`botify-export resume {waiting['name']}`"
    (export,) = answer(capfd, "resume")["exports"]
    assert (export["max_depth"], export["rows"]) == (1, TO_DEPTH_1)
    assert len(served.sandbox.jobs) == 2


def _wait_for_downloads(served: Any, number: int) -> None:
    while sum(seen.route is Route.DOWNLOAD for seen in served.sandbox.requests) < number:
        time.sleep(0.01)


def test_verify_proves_the_whole_site(serve: Serve, capfd: Said) -> None:
    """Its one folder; one changed byte is named, and fetched again from the same jobs."""
    served = serve()
    run = answer(capfd, *RUN)
    folder = str(Path(run["manifest"]).parent)
    assert answer(capfd, "verify") == {"intact": [folder], "problems": []}
    file = Path(run["parquet"])
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert answer(capfd, "verify", code=4)["problems"] == [f"{file} is not the file that was published"]
    assert answer(capfd, *RUN)["status"] == "completed"
    assert answer(capfd, "verify", folder) == {"intact": [folder], "problems": []}
    assert len(served.sandbox.jobs) == 2


@pytest.mark.usefixtures("with_server")
def test_an_interrupt_ends_all_slices_and_the_next_run_goes_on(serve: Serve, capfd: Said) -> None:
    """Exit code 4 in the middle of the waits; the jobs go on at Botify and stay known."""
    served = serve(job_seconds=3)
    with subprocess.Popen([COMMAND, *RUN], stderr=subprocess.PIPE, text=True) as child:
        wait_for(served.sandbox, Route.LIST_JOBS)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        said = child.stderr.read()
        assert child.wait() == 4
    assert "Interrupted. A job that was submitted goes on at Botify, and stays known." in said
    assert "Traceback" not in said
    run = answer(capfd, *RUN)
    assert [job["decision"] for job in run["jobs"]] == ["reconnected"] * 2
    assert (run["rows"], len(served.sandbox.jobs)) == (TOTAL, 2)
