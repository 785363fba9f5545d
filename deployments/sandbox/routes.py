"""The calls of the API, in words."""

import re
from enum import StrEnum


class Route(StrEnum):
    """A kind of request; faults and the ledger name it."""

    PROFILE = "profile"
    LIST_PROJECTS = "list projects"
    LIST_ANALYSES = "list analyses"
    READ_ANALYSIS = "read analysis"
    CRAWL_STATISTICS = "crawl statistics"
    LIST_COLLECTIONS = "list collections"
    LIST_FIELDS = "list fields"
    QUERY = "query"
    CREATE_JOB = "create job"
    READ_JOB = "read job"
    LIST_JOBS = "list jobs"
    DOWNLOAD = "download"
    OTHER = "other"


_PATTERNS = {
    Route.PROFILE: r"GET /v1/authentication/profile",
    Route.LIST_PROJECTS: r"GET /v1/(projects/[^/]+|users/[^/]+/projects)",
    Route.LIST_ANALYSES: r"GET /v1/analyses/[^/]+/[^/]+(/light)?",
    Route.READ_ANALYSIS: r"GET /v1/analyses/[^/]+/[^/]+/[^/]+",
    Route.CRAWL_STATISTICS: r"GET /v1/analyses/[^/]+/[^/]+/[^/]+/crawl_statistics",
    Route.LIST_COLLECTIONS: r"GET /v1/projects/[^/]+/[^/]+/collections",
    Route.LIST_FIELDS: r"GET /v1/projects/[^/]+/[^/]+/collections/[^/]+",
    Route.QUERY: r"POST /v1/projects/[^/]+/[^/]+/query",
    Route.CREATE_JOB: r"POST /v1/jobs",
    Route.READ_JOB: r"GET /v1/jobs/[^/]+",
    Route.LIST_JOBS: r"GET /v1/jobs",
}


def route_of(method: str, path: str) -> Route:
    """Which call of the API a request is."""
    for route, pattern in _PATTERNS.items():
        if re.fullmatch(pattern, f"{method} {path.rstrip('/')}"):
            return route
    return Route.OTHER
