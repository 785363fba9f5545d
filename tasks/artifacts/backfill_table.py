"""What a backfill did, as a table on the run's page."""

from dataclasses import dataclass

from prefect.artifacts import acreate_table_artifact

from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.exports.errors import ExportError
from tasks.exports.project_address import ProjectAddress


@dataclass(frozen=True)
class Backfilled:
    """One analysis: what became of it, and what was paid for it now. `says` is its folder, or why there is none."""

    analysis: str
    status: str
    rows: int | None
    credits: int
    says: str
    error: ExportError | None = None


async def show_backfill(address: ProjectAddress, exports: list[Backfilled]) -> None:
    """Publish a row per analysis."""
    table = [
        {
            "Analysis": export.analysis,
            "Status": export.status,
            "URLs": "" if export.rows is None else f"{export.rows:,}",
            "Credits": f"{export.credits:,}",
            "Where, or why not": export.says,
        }
        for export in exports
    ]
    key = artifact_key("backfill", address.org, address.project)
    await guarded(acreate_table_artifact(table, key=key, description=f"Backfill of {address}"), "The backfill")
