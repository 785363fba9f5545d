"""What is asked of Botify, and the fingerprint that names it everywhere."""

import hashlib
import json
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

from tasks.exports.columns import Column
from tasks.exports.filters import Filter, ToDepth

# A change of what a fingerprint covers makes every earlier export a stranger: then, and only then, raise it.
FINGERPRINT_VERSION: Final = 1


class Expectation(BaseModel):
    """What Botify counted before the export: its rows, all URLs of the analysis, and those without a depth."""

    model_config = ConfigDict(frozen=True)

    rows: int
    urls_total: int
    urls_without_depth: int = 0


class ExportRequest(BaseModel):
    """One export job, complete: two requests are the same export if and only if their fingerprints are equal.

    `expected` is what the request will be held against; it is no part of it.
    """

    model_config = ConfigDict(frozen=True)

    api: str
    org: str
    project: str
    analysis: str
    columns: tuple[Column, ...]
    filter: Filter
    max_rows: int
    expected: Expectation

    @property
    def collection(self) -> str:
        return f"crawl.{self.analysis}"

    @property
    def fingerprint(self) -> str:
        """The SHA-256, in hexadecimal, of everything that decides what the files hold."""
        facts = {
            "version": FINGERPRINT_VERSION,
            "api": self.api,
            "payload": self.payload(),
            "names": [column.name for column in self.columns],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The folder of this export's files: for people first, unique by the fingerprint."""
        what = "slice" if self.max_depth is None else f"depth-{self.max_depth}"
        return f"{what}-{self.fingerprint[:12]}"

    @property
    def max_depth(self) -> int | None:
        """The depth that the export goes to, from the start page on; None for any other slice of the analysis."""
        return self.filter.max_depth if isinstance(self.filter, ToDepth) else None

    def __str__(self) -> str:
        return f"{self.org}/{self.project} {self.analysis} {self.filter.in_words()}"

    def payload(self, tag: str | None = None) -> dict[str, JsonValue]:
        """Return the payload of `POST /jobs` (botify-api.md §4.1), with the tag as the job's name if there is one.

        Every formatter option is sent: Botify's documents and its server disagree on the defaults (§4.3).
        """
        payload: dict[str, JsonValue] = {
            "username": self.org,
            "project": self.project,
            "connector": "direct_download",
            "formatter": "csv",
            "formatter_config": {
                "delimiter": ",",
                "print_delimiter": False,
                "print_header": True,
                "header_format": "slug",
            },
            "export_size": self.max_rows,
            "query": {"collections": [self.collection], "query": self._query()},
        }
        return payload if tag is None else payload | {"export_job_name": tag}

    def _query(self) -> dict[str, JsonValue]:
        return {
            "dimensions": [f"{self.collection}.{column.field}" for column in self.columns],
            "metrics": [],
            "filters": self.filter.bql(self.collection),
            # In the order of the URLs: the same export is the same file.
            "sort": [{"field": f"{self.collection}.url", "order": "asc"}],
        }
