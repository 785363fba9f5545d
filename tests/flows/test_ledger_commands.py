"""`exports`, `resume` and `verify`: what the data folder knows, finishing it, and proving it."""

import json
from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox import read_fault
from flows.command_line import main
from tests.served import BOOST_URL, Serve

RUN = ["run", BOOST_URL, "--max-rows", "1000", "--json"]

Said = pytest.CaptureFixture[str]


def answer(capfd: Said, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run a command with `--json` and return its answer."""
    capfd.readouterr()
    assert main([*arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_exports_lists_every_export_with_its_state_and_what_to_do(serve: Serve, capfd: Said) -> None:
    """One published, one failed, one that waits, one that is gone, one damaged."""
    served = serve("create job 2: fail", "create job 3: never finish")
    assert main(RUN) == 0
    assert main([*RUN, "--fields", "title"]) == 3
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setenv("BOTIFY_JOB_TIMEOUT", "0")
        assert main([*RUN, "--fields", "h1"]) == 4
    served.sandbox.add_fault(read_fault("download 1+: expired 410"))
    assert main([*RUN, "--fields", "depth"]) == 3
    Path("data/.botify-export/ledger", f"{'0' * 64}.json").write_text("{")
    listed = answer(capfd, "exports")["exports"]
    assert [(export["state"], export["job_id"]) for export in listed] == [
        ("gone", "1004"),
        ("submitted", "1003"),
        ("failed", "1002"),
        ("published", "1001"),
        (None, None),
    ]
    by_state = {export["state"]: export for export in listed}
    assert by_state["published"]["next_step"] == ""
    assert Path(by_state["published"]["manifest"]).exists()
    assert by_state["submitted"]["next_step"] == f"`botify-export resume {by_state['submitted']['name']}`"
    assert "--refresh" in by_state["gone"]["next_step"]
    assert "submits a new job" in by_state["failed"]["next_step"]
    assert "damaged" in by_state[None]["next_step"]
    assert main(["exports"]) == 0
    assert "sandbox/www.boost.org 20261122-2" in capfd.readouterr().out


def test_an_empty_data_folder_has_no_exports(capfd: Said) -> None:
    """A sentence, not an empty table; nothing is asked or made."""
    assert main(["exports"]) == 0
    assert "No export was made in" in capfd.readouterr().out
    assert not Path("data").exists()


def test_resume_brings_every_unfinished_export_to_its_end(
    serve: Serve, capfd: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that waited, with the request they were made with; a published one is left alone; no new job."""
    served = serve(job_seconds=1.0)
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "0")
    assert main([*RUN, "--fields", "depth"]) == 4
    assert main([*RUN, "--fields", "title", "--max-depth", "1"]) == 4
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "60")
    assert main(RUN) == 0
    resumed = answer(capfd, "resume")
    assert sorted((export["max_depth"], export["rows"]) for export in resumed["exports"]) == [(1, 54), (2, 494)]
    assert [job["decision"] for export in resumed["exports"] for job in export["jobs"]] == ["reconnected"] * 2
    assert resumed["failed"] == {}
    assert len(served.sandbox.jobs) == 3
    assert answer(capfd, "resume") == {"exports": [], "failed": {}}


def test_resume_by_name_by_job_and_by_fingerprint(serve: Serve, capfd: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `exports` shows."""
    serve()
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "0")
    assert main(RUN) == 0
    export = answer(capfd, "exports")["exports"][0]
    fingerprint = next(Path("data/.botify-export/ledger").iterdir()).stem
    for name in (export["name"], export["job_id"], fingerprint, fingerprint[:8]):
        assert answer(capfd, "resume", name)["exports"][0]["status"] == "reused"


def test_an_export_that_fails_does_not_stop_the_others(
    serve: Serve, capfd: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one is tried; the exit code is the failure's."""
    served = serve("create job 1: never finish", job_seconds=0.5)
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "0")
    assert main(RUN) == 4
    assert main([*RUN, "--fields", "title"]) == 4
    monkeypatch.setenv("BOTIFY_JOB_TIMEOUT", "1")
    resumed = answer(capfd, "resume", code=4)
    assert [export["jobs"][0]["job_id"] for export in resumed["exports"]] == ["1002"]
    assert ["still" in text for text in resumed["failed"].values()] == [True]
    assert len(served.sandbox.jobs) == 2


def test_an_unknown_name_is_refused(serve: Serve, capfd: Said) -> None:
    """Before anything is started or asked."""
    served = serve()
    assert main(["resume", "nothing"]) == 2
    assert "No export is called 'nothing'." in capfd.readouterr().err
    assert served.sandbox.requests == ()


def test_an_export_of_another_api_is_not_sent_to_this_one(serve: Serve, capfd: Said) -> None:
    """A fingerprint holds its API; resuming elsewhere would be another, paid export."""
    first = serve("create job 1: never finish")
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setenv("BOTIFY_JOB_TIMEOUT", "0")
        assert main(RUN) == 4
    other = serve()
    assert main(["resume"]) == 2
    assert f"Set BOTIFY_API_URL={first.addresses.api_url}" in capfd.readouterr().err
    assert other.sandbox.requests == ()


def test_verify_reads_every_byte_of_every_published_file(serve: Serve, capfd: Said) -> None:
    """Offline: no token, no API; the folder, its manifest or a file in it may be named."""
    serve()
    assert main(RUN) == 0
    manifest = Path(answer(capfd, "exports")["exports"][0]["manifest"])
    with pytest.MonkeyPatch.context() as offline:
        offline.delenv("BOTIFY_API_TOKEN")
        for path in ([], [str(manifest)], [str(manifest.parent)], [str(manifest.with_name("pages.csv"))]):
            assert answer(capfd, "verify", *path) == {"intact": [str(manifest.parent)], "problems": []}


@pytest.mark.parametrize("name", ["pages.csv", "pages.parquet"])
def test_one_changed_byte_fails_and_is_named(serve: Serve, capfd: Said, name: str) -> None:
    """Exit code 4: the export can be had again from its job."""
    serve()
    assert main(RUN) == 0
    file = Path(answer(capfd, "exports")["exports"][0]["manifest"]).with_name(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    capfd.readouterr()
    assert main(["verify"]) == 4
    assert f"{file} is not the file that was published" in capfd.readouterr().err
    file.unlink()
    assert answer(capfd, "verify", code=4)["problems"] == [f"{file} is missing"]


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "elsewhere"]])
def test_nothing_to_verify_is_said(arguments: list[str], capfd: Said) -> None:
    """Success would say that something was proved."""
    assert main(arguments) == 2
    assert "published" in capfd.readouterr().err
