"""Building the request of an export from what the user asked for."""

from collections.abc import Sequence

from tasks.botify.client import BotifyClient
from tasks.botify.fields import choose_columns, list_fields
from tasks.exports.depth import DepthPlan
from tasks.exports.filters import ToDepth
from tasks.exports.project_address import ProjectAddress
from tasks.exports.request import Expectation, ExportRequest
from tasks.exports.site import SiteRequest


async def build_request(
    client: BotifyClient, address: ProjectAddress, analysis: str, plan: DepthPlan, names: Sequence[str]
) -> ExportRequest:
    """Return the request; its columns are fields that the analysis has. Raises FieldRefused, BotifyRefused."""
    fields = await list_fields(client, address, analysis)
    return ExportRequest(
        api=client.settings.api_url,
        org=address.org,
        project=address.project,
        analysis=analysis,
        columns=choose_columns(names, fields, f"crawl.{analysis}"),
        filter=ToDepth(max_depth=plan.max_depth),
        max_rows=plan.max_rows,
        expected=Expectation(rows=plan.rows, urls_total=plan.urls_total, urls_without_depth=plan.table.without_depth),
    )


async def build_site_request(
    client: BotifyClient, address: ProjectAddress, analysis: str, max_rows: int, names: Sequence[str]
) -> SiteRequest:
    """Return the request of an export of the whole site. Raises FieldRefused, BotifyRefused."""
    fields = await list_fields(client, address, analysis)
    return SiteRequest(
        api=client.settings.api_url,
        org=address.org,
        project=address.project,
        analysis=analysis,
        columns=choose_columns(names, fields, f"crawl.{analysis}"),
        max_rows=max_rows,
    )
