"""Reading the address of a project (botify-api.md §1.3, §1.4)."""

import pytest

from tasks.exports.errors import AnalysisRefused, ProjectUrlRefused
from tasks.exports.project_address import ProjectAddress, parse_project_address


@pytest.mark.parametrize(
    ("address", "org", "project", "analysis"),
    [
        ("https://app.botify.com/acme/www.example.com/", "acme", "www.example.com", None),
        ("https://app.botify.com/acme/www.example.com", "acme", "www.example.com", None),
        ("app.botify.com/acme/www.example.com/", "acme", "www.example.com", None),
        ("acme/www.example.com", "acme", "www.example.com", None),
        ("  acme/www.example.com/  ", "acme", "www.example.com", None),
        ("first.last/my-website", "first.last", "my-website", None),
        ("HTTPS://APP.BOTIFY.COM/acme/Site", "acme", "Site", None),
        ("https://app.botify.com:443/acme/site/", "acme", "site", None),
        ("https://app.botify.com/acme/site/crawl", "acme", "site", None),
        ("app.botify.com/a/s/crawl?analysisSlug=20250413&comparisonAnalysisSlug=20250330", "a", "s", "20250413"),
        ("a/s?context=%7B%7D&comparisonAnalysisSlug=20241030&analysisSlug=20241103", "a", "s", "20241103"),
        ("https://app.botify.com/a/s/crawl?comparisonAnalysisSlug=20241030", "a", "s", None),
        ("https://app.botify.com/a/s/crawl?analysisSlug=20240101-2", "a", "s", "20240101-2"),
        ("https://app.botify.com/customer01/my-website/keywords/anything/else", "customer01", "my-website", None),
        ("https://app.botify.com/zallek/botify-developers/20161208/", "zallek", "botify-developers", "20161208"),
        ("https://app.botify.com/zallek/botify-developers/20161207-2", "zallek", "botify-developers", "20161207-2"),
        ("https://app.botify.com/a/s/20161208/?analysisSlug=20170101", "a", "s", "20170101"),
        ("https://app.botify.com/a/s/saved_explorers/0b6f", "a", "s", None),
        ("https://app.botify.com/spa/acme/site/settings/crawler/advanced", "acme", "site", None),
        ("https://app.botify.com/adam_warlock/techcrunch.com", "adam_warlock", "techcrunch.com", None),
        ("example-brand-two-international-org/bffseo.bot", "example-brand-two-international-org", "bffseo.bot", None),
        ("acme/site?analysisSlug=20250413", "acme", "site", "20250413"),
        ("acme/site#top", "acme", "site", None),
    ],
)  # fmt: skip
def test_every_shape_that_users_paste_is_read(address: str, org: str, project: str, analysis: str | None) -> None:
    """§1.3: the pages of a project, with or without scheme; comparisonAnalysisSlug is never the analysis."""
    assert parse_project_address(address) == ProjectAddress(org=org, project=project, analysis=analysis)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "   ",
        "acme",
        "https://app.botify.com/",
        "https://app.botify.com/acme",
        "https://app.botify.com/acme/",
        "https://app.botify.com/account",
        "https://app.botify.com/account/settings",
        "https://app.botify.com/admin/projects/x",
        "https://app.botify.com/new_project/x",
        "https://app.botify.com/signin/x",
        "https://app.botify.com/tools/x",
        "https://app.botify.com/api/v1/projects/acme/site",
        "https://app.botify.com/spa/account/x",
        "https://api.botify.com/v1/projects/acme/site",
        "https://www.botify.com/acme/site",
        "https://app.botify.com.evil.example/acme/site",
        "https://evil.example/app.botify.com/acme/site",
        "evil.example/acme/site",
        "https://app.botify.com@evil.example/acme/site",
        "https://user:secret@app.botify.com/acme/site",
        "https://app.botify.com:8443/acme/site",
        "http://app.botify.com/acme/site",
        "ftp://app.botify.com/acme/site",
        "javascript://app.botify.com/acme/site",
        "file:///acme/site",
        "https://app.botify.com/../etc",
        "https://app.botify.com/acme/..",
        "https://app.botify.com/%2e%2e/site",
        "https://app.botify.com/acme/%2e%2e",
        "https://app.botify.com/acme/a%2fb",
        "https://app.botify.com/acme/a%00b",
        "https://app.botify.com//site",
        "https://app.botify.com/acme/.hidden",
        "https://app.botify.com/acme/na me",
        "https://app.botify.com/acme/naïve",
        "https://app.botify.com\\acme\\site",
        "acme/site\n.example",
        "acme/" + "x" * 129,
        "https://[app.botify.com/acme/site",
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    """Other hosts and schemes, credentials, pages of no project, and slugs that would leave the data folder."""
    with pytest.raises(ProjectUrlRefused):
        parse_project_address(address)


@pytest.mark.parametrize("slug", ["..", "../x", "a/b", ".x", "%2e%2e"])
def test_an_odd_analysis_in_the_address_is_refused(slug: str) -> None:
    """An analysis becomes a folder name as well."""
    with pytest.raises(AnalysisRefused):
        parse_project_address(f"https://app.botify.com/acme/site/crawl?analysisSlug={slug.replace('%', '%25')}")
