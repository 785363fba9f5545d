"""The plan of an export of the whole site, by Botify's own counts."""

from dataclasses import dataclass

from tasks.botify.client import BotifyClient
from tasks.botify.counts import count_all, count_by_depth, count_urls
from tasks.botify.fields import list_fields
from tasks.botify.slicing import plan_slices
from tasks.exports.errors import DepthRefused
from tasks.exports.filters import Filter
from tasks.exports.project_address import ProjectAddress
from tasks.exports.slices import SlicePlan


@dataclass(frozen=True)
class _Counts:
    client: BotifyClient
    address: ProjectAddress
    analysis: str

    async def count(self, only: Filter) -> int:
        return await count_urls(self.client, self.address, self.analysis, only)

    async def count_all(self) -> int:
        return await count_all(self.client, self.address, self.analysis)


async def plan_site(client: BotifyClient, address: ProjectAddress, analysis: str, *, max_rows: int) -> SlicePlan:
    """Slice the analysis. Raises DepthRefused, RowsDiffer (the counts do not add up), BotifyRefused."""
    table = await count_by_depth(client, address, analysis)
    if not table.total:
        raise DepthRefused(f"Analysis {analysis} has no URL.", next_step="Choose another with --analysis.")
    fields = await list_fields(client, address, analysis)
    return await plan_slices(_Counts(client, address, analysis), table, fields.values(), max_rows)
