"""The ledger in a bucket: what one machine wrote, another reads, and neither can undo what the other recorded."""

import pytest
from upath import UPath

from tasks.exports.errors import DataFolderUnusable, LedgerChanged
from tasks.ledger.ledger import Ledger
from tasks.ledger.object_store import ObjectStore, says_its_conditions
from tasks.ledger.record import ExportRecord, State
from tests.bucket import Loss, Store
from tests.core.conversation import request

NAME = "a" * 64


def records(bucket: UPath) -> ObjectStore:
    return ObjectStore(bucket / "ledger")


def test_a_record_is_read_by_another_machine(bucket: UPath) -> None:
    """And replaced by whoever has read it."""
    one, other = records(bucket), records(bucket)
    assert one.read(NAME) is None
    one.write(NAME, b"1")
    assert other.read(NAME) == b"1"
    other.write(NAME, b"2")
    other.write(NAME, b"3")
    assert one.read(NAME) == b"3"


def test_of_two_that_create_a_record_one_is_refused(bucket: UPath) -> None:
    """Both found nothing; the second has to look again."""
    one, other = records(bucket), records(bucket)
    assert one.read(NAME) is other.read(NAME) is None
    one.write(NAME, b"one")
    with pytest.raises(LedgerChanged, match="Another run wrote"):
        other.write(NAME, b"other")
    assert one.read(NAME) == b"one"


def test_of_two_that_replace_a_record_one_is_refused(bucket: UPath) -> None:
    """A process that slept for an hour with the record in its hands cannot bring it back."""
    one, other = records(bucket), records(bucket)
    one.write(NAME, b"1")
    assert other.read(NAME) == b"1"
    one.write(NAME, b"2")
    with pytest.raises(LedgerChanged):
        other.write(NAME, b"3")
    assert one.read(NAME) == b"2"


def test_a_record_that_was_not_read_is_not_replaced(bucket: UPath) -> None:
    """To write without looking is to create."""
    records(bucket).write(NAME, b"1")
    with pytest.raises(LedgerChanged):
        records(bucket).write(NAME, b"2")


def test_a_record_that_was_set_aside_meanwhile_is_not_brought_back(bucket: UPath) -> None:
    """Its absence is news, too."""
    one, other = records(bucket), records(bucket)
    one.write(NAME, b"1")
    assert other.read(NAME) == b"1"
    aside = one.set_aside(NAME)
    with pytest.raises(LedgerChanged):
        other.write(NAME, b"2")
    assert one.set_aside_earlier(NAME) == [aside]


@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_answer_to_a_write_is_no_conflict(bucket: UPath, store: Store, times: int) -> None:
    """The library sends it again, and the condition fails on what it wrote itself."""
    mine = records(bucket)
    for content in (b"1", b"2"):
        store.lose(Loss.ANSWER, "PUT", NAME, times)
        mine.write(NAME, content)
        assert store.faults == []
        assert records(bucket).read(NAME) == content


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_a_lost_request_is_sent_again(bucket: UPath, store: Store, method: str) -> None:
    """One request in fifty may fail."""
    mine = records(bucket)
    mine.write(NAME, b"1")
    store.lose(Loss.REQUEST, method, NAME)
    assert mine.read(NAME) == b"1"
    mine.write(NAME, b"2")
    assert store.faults == []
    assert records(bucket).read(NAME) == b"2"


def test_all_records_are_read_at_once(bucket: UPath) -> None:
    """Those that were set aside are none."""
    mine = records(bucket)
    names = [f"{number:064}" for number in range(7)]
    for name in names:
        mine.write(name, name.encode())
    mine.set_aside(names.pop())
    assert list(records(bucket).read_all()) == [(name, name.encode()) for name in names]
    assert list(ObjectStore(bucket / "nothing").read_all()) == []


def test_a_damaged_record_is_set_aside_and_stands_for_a_job_that_may_exist(bucket: UPath) -> None:
    """As in a folder."""
    ledger = Ledger.in_folder(bucket)
    record = ledger.write(ExportRecord.intent(request(), None))
    path = bucket / ".botify-export" / "ledger" / f"{record.fingerprint}.json"
    path.write_bytes(b"{")
    found = Ledger.in_folder(bucket).find(request())
    assert found is not None
    assert found.state is State.AMBIGUOUS
    assert Ledger.in_folder(bucket).find(request()) is not None
    assert not path.exists()


def test_a_store_that_cannot_be_reached_is_named(bucket: UPath, store: Store) -> None:
    """Never a silent miss: that would be paid for."""
    store.lose(Loss.REQUEST, "HEAD", NAME, times=100)
    with pytest.raises(DataFolderUnusable, match=r"s3://.* cannot be used"):
        records(bucket).read(NAME)


def test_one_record_of_many_that_cannot_be_read_is_no_silent_miss(bucket: UPath, store: Store) -> None:
    """What was paid for it would be missing from the sum."""
    mine = records(bucket)
    mine.write(NAME, b"1")
    mine.write("1" * 64, b"1")
    store.lose(Loss.REQUEST, "GET", f"{NAME}.json", times=100)
    with pytest.raises(DataFolderUnusable, match=r"s3://.* cannot be used"):
        list(records(bucket).read_all())


def test_a_bucket_that_is_not_there_is_named(store: Store) -> None:
    """Before anything is paid for."""
    with pytest.raises(DataFolderUnusable, match="s3://nowhere/x cannot be used"):
        ObjectStore(UPath("s3://nowhere/x")).write(NAME, b"1")


def test_a_place_without_conditional_writes_says_so() -> None:
    """There the lock alone keeps two runs apart."""
    folder = UPath("memory://ledger")
    one = ObjectStore(folder)
    one.write(NAME, b"1")
    ObjectStore(folder).write(NAME, b"2")
    assert one.read(NAME) == b"2"
    assert "the lock alone" in says_its_conditions(folder)


def test_a_store_that_looks_at_conditions_is_told_by_trying(bucket: UPath) -> None:
    """And the try leaves nothing behind."""
    assert says_its_conditions(bucket / "ledger") == "its writes are conditional"
    assert list(records(bucket).read_all()) == []
