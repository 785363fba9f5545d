"""Where everything of an export lies: in the data folder, which may be a bucket, and in the work folder."""

import hashlib
from pathlib import Path
from typing import Annotated, Final

from pydantic import PlainSerializer
from upath import UPath

from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest

# A slug never begins with a dot, so no organisation's folder can have this name.
INTERNAL: Final = ".botify-export"
LEDGER: Final = f"{INTERNAL}/ledger"
SITE_LEDGER: Final = f"{INTERNAL}/sites"

Location = Annotated[UPath, PlainSerializer(str, return_type=str)]
"""A file or a folder, on this machine or behind an address such as s3://; as JSON it is its text."""


class Places:
    """The paths of one data folder, and of the work folder that goes with it.

    What is under way needs a disk of this machine. For a data folder on this machine that is the data folder itself,
    so that a rename publishes; for one behind an address (`is_shared`) it is a folder of its own in `work_dir`.
    """

    def __init__(self, data_dir: UPath | Path, work_dir: Path | None = None) -> None:
        self.data_dir = UPath(data_dir)
        self.is_shared = not isinstance(self.data_dir, Path)
        self.ledger = self.data_dir / LEDGER
        self.site_ledger = self.data_dir / SITE_LEDGER
        self.task_results = self.data_dir / INTERNAL / "task-results"
        self.work = _work_folder(self.data_dir, work_dir) if self.is_shared else Path(str(self.data_dir))

    def lock(self, request: ExportRequest | SiteRequest) -> Path:
        return self.work / INTERNAL / "locks" / f"{request.fingerprint}.lock"

    def staging(self, request: ExportRequest | SiteRequest) -> Path:
        """The unpublished files."""
        return self.work / INTERNAL / "staging" / request.fingerprint

    def analysis(self, org: str, project: str, analysis: str) -> UPath:
        return self.data_dir / org / project / analysis

    def published(self, request: ExportRequest | SiteRequest, name: str) -> UPath:
        return self.analysis(request.org, request.project, request.analysis) / name


def _work_folder(data_dir: UPath, work_dir: Path | None) -> Path:
    assert work_dir is not None, "a data folder behind an address needs a work folder here"
    return work_dir / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
