"""What an earlier process left of a download: continued with proof, else forgotten."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.delivery.partial import PROOF, PartialArchive
from tasks.files.resuming import Progress

FOLDER = Path("x.part")
BODY = bytes(range(256)) * 40
CHUNK = 1000


def arriving(progress: Progress, upto: int | None = None) -> Iterator[bytes]:
    """The body in chunks from where the progress stands, as `fetch` yields it; cut at `upto`."""
    progress.total, progress.strong_etag = len(BODY), '"v1"'
    end = len(BODY) if upto is None else upto
    while progress.received < end:
        chunk = BODY[progress.received : progress.received + CHUNK]
        progress.received += len(chunk)
        yield chunk


def interrupted(at: int = 5000) -> None:
    """Leave what a process leaves that dies in the middle of its download."""
    archive = PartialArchive(FOLDER, "1001", prove_every=2 * CHUNK)
    progress = archive.progress()
    assert b"".join(archive.continued(arriving(progress, at), progress)) == BODY[:at]


def continued(job_id: str = "1001") -> tuple[int, bytes]:
    """Go on with it: how much was believed, and the whole body."""
    archive = PartialArchive(FOLDER, job_id, prove_every=2 * CHUNK)
    progress = archive.progress()
    believed = progress.received
    return believed, b"".join(archive.continued(arriving(progress), progress))


def test_what_is_proved_is_not_fetched_again() -> None:
    """To the last proof; what came after it is fetched again, and the body is whole."""
    interrupted()
    assert continued() == (4000, BODY)


def test_it_may_be_interrupted_again_and_again() -> None:
    """Each process goes on where the last proof stands."""
    for at in (3000, 6000, 9000):
        interrupted(at)
    believed, body = continued()
    assert believed >= 8000
    assert body == BODY


def test_a_part_with_one_changed_byte_is_forgotten() -> None:
    """The hash of the prefix."""
    interrupted()
    part = FOLDER / "archive.part"
    content = bytearray(part.read_bytes())
    content[10] ^= 1
    part.write_bytes(content)
    assert continued() == (0, BODY)


def test_a_part_that_is_shorter_than_its_proof_is_forgotten() -> None:
    """After a loss of power the bytes may be missing although the proof is there."""
    interrupted()
    part = FOLDER / "archive.part"
    part.write_bytes(part.read_bytes()[:3999])
    assert continued() == (0, BODY)


@pytest.mark.parametrize("damage", ["{", "[]", "", None])
def test_a_proof_that_cannot_be_read_proves_nothing(damage: str | None) -> None:
    """From zero, and no error: it costs nothing."""
    interrupted()
    if damage is None:
        (FOLDER / PROOF).unlink()
    else:
        (FOLDER / PROOF).write_text(damage)
    assert continued() == (0, BODY)


def test_a_part_of_another_job_is_forgotten() -> None:
    """A new job's file is another file, even if it holds the same rows."""
    interrupted()
    assert continued("1002") == (0, BODY)


def test_a_part_without_a_validator_is_forgotten() -> None:
    """Nothing could tell that the file is still the same one."""
    interrupted()
    proof = json.loads((FOLDER / PROOF).read_text())
    (FOLDER / PROOF).write_text(json.dumps(proof | {"strong_etag": "", "last_modified": ""}))
    assert continued() == (0, BODY)


def test_nothing_stays_when_it_is_forgotten() -> None:
    """Room for the next."""
    interrupted()
    PartialArchive(FOLDER, "1001").forget()
    assert not FOLDER.exists()
