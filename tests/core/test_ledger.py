"""The ledger: whole records, or named ones."""

import json
from pathlib import Path

import pytest

from tasks.exports.errors import DataFolderUnusable
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tests.core.conversation import request

DATA = Path("data")
FOLDER = DATA / ".botify-export" / "ledger"


def write_one() -> ExportRecord:
    return Ledger.in_folder(DATA).write(ExportRecord.intent(request(), None))


def path_of(record: ExportRecord) -> Path:
    return FOLDER / f"{record.fingerprint}.json"


def test_a_record_comes_back_as_it_was_written() -> None:
    """Request, tag, history and all."""
    record = write_one()
    assert Ledger.in_folder(DATA).find(request()) == record


def test_an_export_that_was_never_begun_has_no_record() -> None:
    """None, and nothing is written by asking."""
    assert Ledger.in_folder(DATA).find(request()) is None
    assert not DATA.exists()


def test_history_is_kept_and_grows() -> None:
    """Every state that the export went through, with its time."""
    ledger = Ledger.in_folder(DATA)
    write_one()
    ledger.advance(request(), State.DONE, "7")
    ledger.advance(request(), State.PUBLISHED, "7", rows=494)
    record = ledger.find(request())
    assert record is not None
    assert [event.state for event in record.history] == [State.INTENT, State.DONE, State.PUBLISHED]
    assert record.rows == 494
    assert [event.at for event in record.history] == sorted(event.at for event in record.history)


def test_a_step_is_recorded_even_if_the_record_was_deleted_meanwhile() -> None:
    """A data folder emptied half-way costs the history, not the job."""
    Ledger.in_folder(DATA).advance(request(), State.DONE, "7")
    record = Ledger.in_folder(DATA).find(request())
    assert record is not None
    assert (record.job_id, record.state) == ("7", State.DONE)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'{"version": 1}', b"\xff\xfe", b'{"version": "x"}'])
def test_a_damaged_record_is_set_aside_and_stands_for_an_unknown_job(content: bytes) -> None:
    """Every byte of it is kept, and the export is not taken for a new one."""
    path = path_of(write_one())
    path.write_bytes(content)
    record = Ledger.in_folder(DATA).find(request())
    assert record is not None
    assert record.state is State.AMBIGUOUS
    aside = [kept for kept in FOLDER.iterdir() if kept != path]
    assert [kept.read_bytes() for kept in aside] == [content]
    assert aside[0].name in record.history[-1].note


def test_a_record_of_a_newer_version_is_left_alone() -> None:
    """An older program must neither read it its own way nor call it damaged."""
    path = path_of(write_one())
    newer = json.dumps(json.loads(path.read_text()) | {"version": 2, "unheard": "of"})
    path.write_text(newer)
    with pytest.raises(DataFolderUnusable, match="written by a newer botify-export") as refusal:
        Ledger.in_folder(DATA).find(request())
    assert "Update" in refusal.value.next_step
    assert path.read_text() == newer


def test_a_record_that_cannot_be_read_is_an_error_and_not_a_miss() -> None:
    """An I/O error is not an empty ledger (a folder in the file's place stands for one: root reads everything)."""
    path_of(write_one()).unlink()
    path_of(ExportRecord.intent(request(), None)).mkdir()
    with pytest.raises(DataFolderUnusable, match="cannot be read"):
        Ledger.in_folder(DATA).find(request())


def test_a_ledger_that_cannot_be_written_is_an_error() -> None:
    """Before anything is sent: no record, no job (a file in the folder's place stands for a read-only disk)."""
    DATA.write_text("a file")
    with pytest.raises(DataFolderUnusable, match="cannot be written"):
        write_one()


def test_all_lists_every_record_and_names_the_damaged() -> None:
    """Nothing is silently left out."""
    record = write_one()
    (FOLDER / f"{'0' * 64}.json").write_text("{")
    assert list(Ledger.in_folder(DATA).all()) == ["0" * 64, record]
