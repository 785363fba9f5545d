"""How these tests hold the client and the sandbox: in one process, in virtual time."""

from typing import Any

from deployments.sandbox import API_URL, TOKEN, Behaviour, Route, Sandbox, read_fault
from tasks.botify.client import BotifyClient
from tasks.exports.columns import Column, ColumnKind
from tasks.exports.filters import ToDepth
from tasks.exports.project_address import ProjectAddress
from tasks.exports.request import Expectation, ExportRequest
from tasks.exports.settings import Settings

BOOST = ProjectAddress(org="sandbox", project="www.boost.org")
NEWEST = "20261122-2"


def sandbox(*faults: str, **behaviour: Any) -> Sandbox:
    """A sandbox with these switches, and these faults in words."""
    return Sandbox(Behaviour(**behaviour), map(read_fault, faults))


def client_of(botify: Sandbox, **settings: Any) -> BotifyClient:
    """A client of this sandbox."""
    known: dict[str, Any] = {"api_token": TOKEN, "api_url": API_URL}
    return BotifyClient(Settings(**(known | settings)), transport=botify.transport())


def requests_to(botify: Sandbox, route: Route) -> int:
    """How many requests of this kind the sandbox saw."""
    return sum(seen.route is route for seen in botify.requests)


def request(max_depth: int = 2, **changes: Any) -> ExportRequest:
    """The request of an export of the sandbox's newest Boost crawl: 494 URLs to depth 2."""
    facts: dict[str, Any] = {
        "api": API_URL,
        "org": BOOST.org,
        "project": BOOST.project,
        "analysis": NEWEST,
        "columns": (
            Column(name="url", field="url"),
            Column(name="depth", field="depth", kind=ColumnKind.INTEGER),
            Column(name="title", field="metadata.title.content"),
        ),
        "filter": ToDepth(max_depth=max_depth),
        "max_rows": 1000,
        "expected": Expectation(rows=494, urls_total=3811),
    }
    return ExportRequest(**(facts | changes))
