"""What became of many exports: each in words, and what the whole run ends with."""

import pytest
from upath import UPath

from tasks.exports.errors import (
    AccessDenied,
    BotifyRefused,
    CreditsExceeded,
    ExportError,
    FieldRefused,
    InputRefused,
    JobStillRunning,
    NotFinished,
    RowsDiffer,
)
from tasks.exports.outcome import Outcome, Status
from tasks.exports.summary import ExportStatus, OneOfMany, Summary

A, B, C = (OneOfMany(project=f"acme/{name}") for name in "abc")


def outcome(status: Status) -> Outcome:
    folder = UPath("/data/acme/a/20260131/depth-2-c5860d4613be")
    return Outcome(
        status=status,
        org="acme",
        project="a",
        analysis="20260131",
        max_depth=2,
        rows=1234,
        urls_total=5000,
        csv=folder / "pages.csv",
        parquet=None,
        manifest=folder / "manifest.json",
        jobs=(),
        flow_run_id="a-run",
    )


def done(export: OneOfMany, *, paid: int = 0) -> OneOfMany:
    status = Status.COMPLETED if paid else Status.REUSED
    return export.delivered(outcome(status)).model_copy(update={"credits": paid})


def words(*exports: OneOfMany) -> str:
    return Summary(exports=exports).in_words("projects")


def ended_with(*exports: OneOfMany) -> ExportError | None:
    return Summary(exports=exports).error(words(*exports))


@pytest.mark.parametrize("status", list(Status))
def test_an_export_that_is_there_says_where(status: Status) -> None:
    """Completed, reused or skipped, with its folder and its run."""
    export = A.delivered(outcome(status))
    assert (export.status.value, export.analysis, export.rows) == (status.value, "20260131", 1234)
    assert (export.says, export.flow_run_id) == ("/data/acme/a/20260131/depth-2-c5860d4613be", "a-run")
    assert export.status.is_there
    assert export.in_words() == f"acme/a 20260131: {status}, 1,234 URLs, 0 credits."


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FieldRefused("There is no such field."), ExportStatus.FAILED),
        (AccessDenied("Botify said no."), ExportStatus.FAILED),
        (RowsDiffer("Too few."), ExportStatus.FAILED),
        (JobStillRunning("It lasts."), ExportStatus.NOT_FINISHED),
        (CreditsExceeded("It costs more."), ExportStatus.NOT_PAID_FOR),
    ],
)
def test_an_export_that_is_not_there_says_why_and_what_to_do(error: ExportError, status: ExportStatus) -> None:
    """In the words of the error, whose exit code it keeps."""
    export = A.failed(error)
    assert (export.status, export.says, export.next_step) == (status, str(error), error.next_step)
    assert export.exit_code == error.exit_code
    assert not export.status.is_there
    assert export.in_words() == f"acme/a: {status}. {error}"


def test_what_nobody_foresaw_is_called_a_bug() -> None:
    """With the exit code of one, and the promise that nothing is lost."""
    export = A.failed(ZeroDivisionError("by zero"))
    assert (export.status, export.exit_code) == ("failed", 1)
    assert export.says == "ZeroDivisionError: by zero"
    assert export.next_step.startswith("This is a bug in botify-export")


def test_an_export_that_goes_on_keeps_what_is_known() -> None:
    """Its place in the list may say more and more."""
    export = A.now(ExportStatus.SCHEDULED, flow_run_id="a-run").now(ExportStatus.RUNNING)
    assert (str(export), export.status, export.flow_run_id) == ("acme/a", "running", "a-run")
    assert (export.status.is_there, export.status.has_failed) == (False, False)


def test_all_together_are_counted() -> None:
    """What is there, its rows, and what was paid, also for what failed."""
    failed = B.failed(RowsDiffer("Too few.")).model_copy(update={"credits": 5})
    summary = Summary(exports=(done(A, paid=1234), failed, done(C)), seconds=1.5)
    assert (summary.exported, summary.rows, summary.credits) == (2, 2468, 1239)
    assert summary.missing == (failed,)
    assert summary.in_words("projects") == "2 of 3 projects are exported, for 1,239 credits; 1 failed"


def test_the_totals_stand_in_the_json() -> None:
    """What `--json` prints beside the exports."""
    told = Summary(exports=(done(A, paid=1234), B.failed(NotFinished("Later."))), seconds=1.5).model_dump()
    assert {name: told[name] for name in told if name != "exports"} == {
        "seconds": 1.5,
        "exported": 1,
        "rows": 1234,
        "credits": 1234,
    }


def test_where_all_are_there_the_run_ends_well() -> None:
    """However each came to be there."""
    assert ended_with(done(A), done(B, paid=5), C.delivered(outcome(Status.SKIPPED))) is None


def test_what_was_not_paid_for_is_named_and_ends_the_command_as_any_other_limit_does() -> None:
    """Exit code 2, with what to do; the flow itself ends well."""
    exceeded = CreditsExceeded("It would cost 9.", next_step="Raise it.")
    assert words(done(A), B.failed(exceeded)) == (
        "1 of 2 projects are exported, for 0 credits; max_credits stopped acme/b"
    )
    assert words(A.failed(exceeded), done(B), C.failed(exceeded)).endswith("; max_credits stopped acme/a and 1 more")
    error = ended_with(done(A), B.failed(exceeded))
    assert (type(error), str(error), error and error.next_step, error and error.exit_code) == (
        CreditsExceeded,
        "1 of 2 projects are exported, for 0 credits; max_credits stopped acme/b.",
        "Raise it.",
        2,
    )


BUG, INPUT = A.failed(KeyError("x")), A.failed(FieldRefused("No field."))
REFUSED, LATER = B.failed(RowsDiffer("Too few.")), B.failed(JobStillRunning("It lasts."))


@pytest.mark.parametrize(
    ("exports", "kind", "exit_code", "says"),
    [
        ((LATER, BUG), ExportError, 1, "acme/a: KeyError: 'x'"),
        ((REFUSED, INPUT), InputRefused, 2, "acme/a: No field."),
        ((LATER, REFUSED), BotifyRefused, 3, "acme/b: Too few."),
        ((LATER, done(C)), NotFinished, 4, "acme/b: It lasts."),
        ((C.failed(CreditsExceeded("More.")), LATER), NotFinished, 4, "acme/b: It lasts."),
    ],
)
def test_the_run_ends_as_the_worst_of_them(
    exports: tuple[OneOfMany, ...], kind: type[ExportError], exit_code: int, says: str
) -> None:
    """A bug, then what somebody has to correct, then what Botify refused; only if all else is there, what goes on."""
    error = ended_with(*exports)
    assert (type(error), error and error.exit_code) == (kind, exit_code)
    assert says in str(error)
    assert error is not None
    assert error.next_step


def test_of_several_that_failed_alike_the_first_is_told() -> None:
    """In the order of the list, and that it is not alone."""
    error = ended_with(A.failed(FieldRefused("No title.")), B.failed(NotFinished("Later.")), C.failed(KeyError("x")))
    assert str(error).startswith("0 of 3 projects are exported, for 0 credits; 2 failed; 1 not finished. acme/c: ")
    error = ended_with(A.failed(FieldRefused("No title.")), C.failed(FieldRefused("No h1.")))
    assert str(error) == "0 of 2 projects are exported, for 0 credits; 2 failed. acme/a: No title."
