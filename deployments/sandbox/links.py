"""Download links and their lifetimes (botify-api.md §5.5)."""

import hashlib
from dataclasses import dataclass

from deployments.sandbox.behaviour import Behaviour
from deployments.sandbox.jobs import Job


@dataclass
class Link:
    """One download link of a job."""

    path: str
    job: Job
    issued: float
    """The loop's time."""
    downloads: int = 0
    dead: int | None = None
    """The status it answers with for ever, once it is dead."""

    def refusal(self, now: float, behaviour: Behaviour) -> int | None:
        """The status it answers with if it is expired."""
        used_up = behaviour.link_downloads is not None and self.downloads >= behaviour.link_downloads
        too_old = behaviour.link_seconds is not None and now - self.issued >= behaviour.link_seconds
        return self.dead or (behaviour.expired_status if used_up or too_old else None)


def link_path(job: Job, number: int) -> str:
    """Three shards, a hash, and `PROJECT-DATE.csv.gz` (botify-api.md §5.5); the hash alone keeps it secret."""
    secret = hashlib.sha256(f"sandbox job {job.number} link {number}".encode()).hexdigest()[:32]
    shards = "/".join(secret[:3])
    return f"/collection_exports/{shards}/{secret}/{job.project}-{job.created:%Y-%m-%d}.csv.{job.export.suffix}"
