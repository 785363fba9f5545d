"""Where everything of an export lies in the data folder."""

from pathlib import Path

from tasks.exports.request import ExportRequest
from tasks.exports.site import SiteRequest

# A slug never begins with a dot, so no organisation's folder can have this name.
INTERNAL = ".botify-export"


class Places:
    """The paths inside one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.ledger = data_dir / INTERNAL / "ledger"
        self.site_ledger = data_dir / INTERNAL / "sites"
        self.task_results = data_dir / INTERNAL / "task-results"

    def lock(self, request: ExportRequest | SiteRequest) -> Path:
        return self.data_dir / INTERNAL / "locks" / f"{request.fingerprint}.lock"

    def staging(self, request: ExportRequest | SiteRequest) -> Path:
        """The unpublished files, on the same file system as the published ones so that a rename publishes them."""
        return self.data_dir / INTERNAL / "staging" / request.fingerprint

    def analysis(self, org: str, project: str, analysis: str) -> Path:
        return self.data_dir / org / project / analysis

    def published(self, request: ExportRequest | SiteRequest, name: str) -> Path:
        return self.analysis(request.org, request.project, request.analysis) / name
