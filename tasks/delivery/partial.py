"""The part of a download that an earlier process left, continued only with proof that it is still the same file."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.files.resuming import Progress

LOGGER = logging.getLogger("botify_export")

PART: Final = "archive.part"
PROOF: Final = "archive.json"
# A killed process loses at most this much of its download.
PROVE_EVERY: Final = 1024 * 1024
CHUNK: Final = 256 * 1024


class Proof(BaseModel):
    """Of which job's file the part is, how long it is, the host's validators, and the SHA-256 of its bytes."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    received: int
    total: int | None
    strong_etag: str
    last_modified: str
    sha256: str

    @property
    def progress(self) -> Progress:
        return Progress(self.received, self.total, self.strong_etag, self.last_modified)


class PartialArchive:
    """The compressed bytes of one download, beside the staging folder. One process at a time: the export's lock."""

    def __init__(self, folder: Path, job_id: str, prove_every: int = PROVE_EVERY) -> None:
        self._folder = folder
        self._job_id = job_id
        self._prove_every = prove_every
        self._digest = hashlib.sha256()

    def progress(self) -> Progress:
        """Return how far an earlier process got, or a fresh start if nothing of it can be proved."""
        try:
            proof = Proof.model_validate_json((self._folder / PROOF).read_bytes())
            if proof.job_id == self._job_id and (proof.strong_etag or proof.last_modified) and self._holds(proof):
                LOGGER.info("%.1f MB of the file are here already.", proof.received / 1e6)
                return proof.progress
        except (OSError, ValidationError):
            pass
        self.forget()
        return Progress()

    def forget(self) -> None:
        """Delete the part: it is staged, or of no use."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._digest = hashlib.sha256()

    def continued(self, chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
        """Yield what is here and then the chunks, keeping them as they come. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / PART).open("r+b" if progress.received else "wb") as part:
            left = progress.received
            while left and (kept := part.read(min(CHUNK, left))):
                left -= len(kept)
                yield kept
            part.truncate(progress.received)
            proved = progress.received
            for chunk in chunks:
                part.write(chunk)
                self._digest.update(chunk)
                if progress.received - proved >= self._prove_every:
                    part.flush()
                    self._prove(progress)
                    proved = progress.received
                yield chunk

    def _holds(self, proof: Proof) -> bool:
        self._digest = hashlib.sha256()
        left = proof.received
        with (self._folder / PART).open("rb") as part:
            while left and (kept := part.read(min(CHUNK, left))):
                left -= len(kept)
                self._digest.update(kept)
        return not left and self._digest.hexdigest() == proof.sha256

    def _prove(self, progress: Progress) -> None:
        # Not synced: after a loss of power the hash tells whether the part can be believed.
        proof = Proof(
            job_id=self._job_id,
            received=progress.received,
            total=progress.total,
            strong_etag=progress.strong_etag,
            last_modified=progress.last_modified,
            sha256=self._digest.hexdigest(),
        )
        fresh = self._folder / f".{PROOF}"
        fresh.write_text(proof.model_dump_json(), encoding="utf-8")
        fresh.replace(self._folder / PROOF)
