"""An export of a whole site: every URL of an analysis, in as many jobs as the row limit makes it."""

import hashlib
import json
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks.exports.columns import Column
from tasks.exports.errors import DepthRefused
from tasks.exports.request import Expectation, ExportRequest
from tasks.exports.slices import SlicePlan

# A change of what a fingerprint covers makes every earlier export a stranger: then, and only then, raise it.
FINGERPRINT_VERSION: Final = 1


class Coverage(StrEnum):
    """How much of an analysis is exported: what fits one job, or all of it."""

    DEPTH = "depth"
    FULL = "full"


def check_coverage(coverage: Coverage, max_depth: int | None) -> None:
    """Raise DepthRefused where two wishes contradict each other."""
    if coverage is Coverage.FULL and max_depth is not None:
        raise DepthRefused(
            f"--coverage full exports every depth, and --max-depth {max_depth} does not.",
            next_step="Leave one of the two out.",
        )


class SiteRequest(BaseModel):
    """What is asked: the analysis, the columns, and the most rows of each job. How it is sliced is no part of it."""

    model_config = ConfigDict(frozen=True)

    api: str
    org: str
    project: str
    analysis: str
    columns: tuple[Column, ...]
    max_rows: int

    @property
    def fingerprint(self) -> str:
        """The SHA-256, in hexadecimal, of everything that decides what the files hold."""
        facts = {
            "version": FINGERPRINT_VERSION,
            "where": [self.api, self.org, self.project, self.analysis],
            "columns": [[column.name, column.field] for column in self.columns],
            "max_rows": self.max_rows,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The folder of this export's files: for people first, unique by the fingerprint."""
        return f"full-{self.fingerprint[:12]}"

    def __str__(self) -> str:
        return f"{self.org}/{self.project} {self.analysis}, the whole site"

    def slices(self, plan: SlicePlan) -> tuple[ExportRequest, ...]:
        """Return the request of each slice's job."""
        return tuple(
            ExportRequest(
                api=self.api,
                org=self.org,
                project=self.project,
                analysis=self.analysis,
                columns=self.columns,
                filter=each.filter,
                max_rows=self.max_rows,
                expected=Expectation(
                    rows=each.rows, urls_total=plan.urls_total, urls_without_depth=plan.urls_without_depth
                ),
            )
            for each in plan.slices
        )
