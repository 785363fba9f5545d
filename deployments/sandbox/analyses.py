"""The analyses of a project, as `/analyses` tells of them (botify-api.md §2)."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SLUG = re.compile(r"\d{8}(-\d+)?")


@dataclass(frozen=True)
class Analysis:
    """One crawl of a project; `share` is the percentage of the real crawl that it holds."""

    slug: str
    share: int = 100
    status: str = "success"

    def __post_init__(self) -> None:
        if not SLUG.fullmatch(self.slug) or not 0 < self.share <= 100:
            raise ValueError(
                f"not an analysis: slug {self.slug!r} (YYYYMMDD or YYYYMMDD-N), share {self.share} (1-100)"
            )

    @property
    def collection(self) -> str:
        return f"crawl.{self.slug}"

    @property
    def is_success(self) -> bool:
        return self.status == "success"

    @property
    def launched(self) -> datetime:
        """06:00 UTC, two hours later for each further crawl of the day."""
        day = datetime.strptime(self.slug[:8], "%Y%m%d").replace(tzinfo=UTC)
        return day + timedelta(hours=6 + 2 * (int(self.slug[9:] or 1) - 1))

    @property
    def name(self) -> str:
        return f"{self.launched:%Y %b. %d}"

    def as_light(self, organisation: str, project: str, urls: int) -> dict[str, object]:
        """A LightAnalysis; a running crawl reads 0 done and null in the queue (botify-api.md §2.3)."""
        finished = self.launched + timedelta(hours=3) if self.status in ("success", "failed") else None
        return {
            "pk": int(self.slug.replace("-", "")),
            "slug": self.slug,
            "name": self.name,
            "friendly_name": None,
            "url": f"https://app.botify.com/{organisation}/{project}/{self.slug}/",
            "status": self.status,
            "urls_done": urls if self.is_success else 0,
            "urls_in_queue": 0 if self.is_success else None,
            "date_launched": written(self.launched),
            "date_finished": written(finished) if finished else None,
            "date_last_modified": written(finished or self.launched),
            "date_created": written(self.launched - timedelta(minutes=5)),
            "to_be_deleted_at": None,
            "comparable": True,
            "excluded_from_trends": False,
            "has_raw_pages": True,
        }

    def as_full(self, organisation: str, project: str, urls: int, export_limit: int) -> dict[str, object]:
        """An Analysis, whose `config.export_limit` is the row limit of one export (a guess: §9.8)."""
        done = written(self.launched + timedelta(hours=1)) if self.is_success else None
        return self.as_light(organisation, project, urls) | {
            "user": {"login": organisation},
            "owner": {"login": organisation},
            "computing_revision": None,
            "features": {},
            "config": {
                "max_urls": 1_000_000,
                "max_urls_per_sec": 10,
                "max_depth": None,
                "start_urls": [f"https://{project}/"],
                "allowed_domains": [{"domain": project, "protocol": "https", "allow_subdomains": False}],
                "blacklisted_domains": [],
                "export_limit": export_limit,
            },
            "date_crawl_done": done,
            "failures": [] if self.status != "failed" else ["The crawl failed"],
            "red_button_domain": None,
            "crawl_launch_type": "manual",
        }

    def statistics(self, codes: Counter[int]) -> dict[str, object]:
        """CrawlStatistics, from how often each HTTP code was met (botify-api.md §2.3)."""
        families = Counter[int]()
        for code, pages in codes.items():
            families[code // 100] += pages
        done = codes.total()
        return {
            "depth_current": 1,
            "pages_known": done if self.is_success else done + done // 10,
            "pages_dones": done,
            **{f"pages_dones_{family}xx": families[family] for family in (2, 3, 4, 5)},
            "pages_dones_xxx": 0,
            "pages_dones_networkerror": 0,
            "last_upd_dt": written(self.launched + timedelta(hours=1)),
        }


def written(moment: datetime) -> str:
    """A moment as the API writes it: with microseconds and Z (botify-api.md §2.2)."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def newest_first(analysis: Analysis) -> tuple[str, int]:
    """A sort key, to be reversed: 20261122-10 is newer than 20261122-2."""
    return analysis.slug[:8], int(analysis.slug[9:] or 1)


PUBLISHED = (
    Analysis("20261123", status="crawling"),
    Analysis("20261122-2"),
    Analysis("20261122", share=97),
    Analysis("20261115", status="failed"),
    Analysis("20261101", share=90),
    Analysis("20261001", share=80),
    Analysis("20260901", share=60),
)
"""What every project of a new sandbox has."""
