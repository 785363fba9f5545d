"""Which project, and perhaps which analysis, an address names."""

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict

from tasks.exports.errors import AnalysisRefused, ProjectUrlRefused

HOST: Final = "app.botify.com"
# Instead of an analysis: the newest; and whoever is there chooses one.
LATEST: Final = "latest"
ASK: Final = "ask"
# First segments of pages that belong to no project (botify-api.md §1.3).
RESERVED: Final = frozenset({"account", "admin", "api", "new_project", "signin", "tools"})
# A slug becomes a folder name: no leading dot, and short enough for every file system.
SLUG: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
ANALYSIS_IN_PATH: Final = re.compile(r"\d{8}(-\d+)?")


class ProjectAddress(BaseModel):
    """A project, and the analysis that the address named, if it named one."""

    model_config = ConfigDict(frozen=True)

    org: str
    project: str
    analysis: str | None = None

    def __str__(self) -> str:
        return f"{self.org}/{self.project}"

    def wanted(self, analysis: str | None) -> str:
        """Return the analysis that was asked for, else the one in the address, else the word for the newest."""
        return analysis or self.analysis or LATEST


def parse_project_address(text: str) -> ProjectAddress:
    """Read any address of a project's page, with or without scheme, or `org/project` (botify-api.md §1.3, §1.4).

    The analysis is the one in `analysisSlug`, else a third segment that looks like one; `comparisonAnalysisSlug`
    never is. Raises ProjectUrlRefused.
    """
    text = text.strip()
    if not text or not text.isprintable() or "\\" in text or " " in text:
        raise ProjectUrlRefused("That is not an address: it is empty or holds characters that no address has.")
    try:
        url = urlsplit(_with_scheme(text))
    except ValueError:
        raise ProjectUrlRefused(f"{text!r} is not an address.") from None
    _refuse_other_places(url.scheme, url.netloc)
    segments = [unquote(segment) for segment in url.path.strip("/").split("/")]
    if segments[0] == "spa":
        del segments[0]
    if len(segments) < 2 or segments[0] in RESERVED:
        raise ProjectUrlRefused(f"{HOST}{url.path} is not the page of a project.")
    org, project, *rest = segments
    return ProjectAddress(
        org=checked_slug(org, "organisation"),
        project=checked_slug(project, "project"),
        analysis=_named_analysis(url.query, rest),
    )


def checked_slug(text: str, what: str) -> str:
    """Return the slug if it can safely be part of a path, here and in a request. Raises ProjectUrlRefused."""
    if not SLUG.fullmatch(text):
        raise ProjectUrlRefused(f"{text!r} cannot be the name of an {what}.")
    return text


def checked_analysis(slug: str) -> str:
    """Return the analysis's slug if it can safely be part of a path. Raises AnalysisRefused."""
    if not SLUG.fullmatch(slug):
        raise AnalysisRefused(f"{slug!r} cannot be an analysis; one looks like 20260131 or 20260131-2.")
    return slug


def _with_scheme(text: str) -> str:
    if "://" in text:
        return text
    first, _, rest = text.partition("/")
    if first.lower() == HOST:
        return f"https://{HOST}/{rest}"
    path = rest.partition("?")[0].strip("/")
    if "." in first and "/" in path:  # three segments that begin like a host: some other site's address
        return f"https://{text}"
    return f"https://{HOST}/{text}"


def _refuse_other_places(scheme: str, netloc: str) -> None:
    if "@" in netloc:
        raise ProjectUrlRefused("The address holds a user name or a password; leave them out.")
    if scheme.lower() != "https":
        raise ProjectUrlRefused(f"The address begins with {scheme}://; a Botify project's begins with https://.")
    if netloc.lower() not in (HOST, f"{HOST}:443"):
        raise ProjectUrlRefused(f"{netloc or 'That'} is not Botify: a project's address begins with https://{HOST}/.")


def _named_analysis(query: str, rest: list[str]) -> str | None:
    if slugs := parse_qs(query).get("analysisSlug"):
        return checked_analysis(slugs[0])
    return rest[0] if rest and ANALYSIS_IN_PATH.fullmatch(rest[0]) else None
