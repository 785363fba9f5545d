"""Many exports on the run's page: a table that fills in as they end, and at the end what became of all of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.settings import PREFECT_API_URL
from prefect.utilities.urls import url_for

from tasks.artifacts.guarded import guarded
from tasks.artifacts.markdown import code, table, text
from tasks.artifacts.progress import UPDATE_EVERY
from tasks.exports.summary import OneOfMany, Summary
from tasks.ledger.durations import in_words

# Nobody reads more reasons than this; the table has all of them.
MOST_MISSING: Final = 50
# The column of sentences, too wide for a terminal.
WHERE: Final = "Where, or why not"


def table_rows(exports: Sequence[OneOfMany]) -> list[dict[str, str]]:
    """Return a row for each export; what is not known yet is empty."""
    return [
        {
            "Project": export.project,
            "Analysis": export.analysis,
            "Status": export.status.value,
            "URLs": "" if export.rows is None else f"{export.rows:,}",
            "Credits": f"{export.credits:,}",
            "Time": in_words(export.seconds) if export.seconds else "",
            WHERE: f"{export.says} {export.next_step}".rstrip(),
        }
        for export in exports
    ]


@asynccontextmanager
async def live_table(exports: Sequence[OneOfMany], key: str, description: str) -> AsyncIterator[None]:
    """Keep one table of the exports, a list that changes, up to date on the current run's page."""
    page = _Table(exports, key, description)
    ended = asyncio.Event()
    keeper = asyncio.create_task(page.keep(ended))
    try:
        yield
    finally:
        ended.set()
        await keeper  # not cancelled: a table that is being created would be made twice


class _Table:
    def __init__(self, exports: Sequence[OneOfMany], key: str, description: str) -> None:
        self._exports = exports
        self._key = key
        self._description = description
        self._id: UUID | None = None
        self._published: tuple[OneOfMany, ...] | None = None

    async def keep(self, ended: asyncio.Event) -> None:
        """Publish what has changed until the end, and then once more."""
        while not ended.is_set():
            await guarded(self._publish(), "The table")
            with suppress(TimeoutError):
                async with asyncio.timeout(UPDATE_EVERY):
                    await ended.wait()
        await guarded(self._publish(), "The table")

    async def _publish(self) -> None:
        now = tuple(self._exports)
        if now == self._published:
            return
        rows = table_rows(now)
        if self._id is None:
            self._id = await acreate_table_artifact(rows, key=self._key, description=self._description)
        else:
            # In place: another artifact with the same key would be another version of it.
            async with get_client() as client:
                await client.update_artifact(self._id, ArtifactUpdate(data=json.dumps(rows)))
        self._published = now


async def show_summary(summary: Summary, words: str, key: str) -> None:
    """Publish what became of all exports."""
    await guarded(acreate_markdown_artifact(report(summary, words), key=key, description=words), "The summary")


def report(summary: Summary, words: str) -> str:
    """Write the summary as GitHub-flavoured Markdown: the totals, and what to do about each that is missing."""
    facts = table(["", ""], [[f"**{name}**", fact] for name, fact in _totals(summary)])
    parts = [f"## {text(words)}", facts]
    if missing := summary.missing:
        # A list, for a table does not wrap: what to do would be out of sight.
        told = "\n".join(_told(each) for each in missing[:MOST_MISSING])
        more = f"\n\nAnd {len(missing) - MOST_MISSING:,} more: the table names each." if missing[MOST_MISSING:] else ""
        parts.append(f"### What is missing\n\n{told}{more}")
    return "\n\n".join(parts) + "\n"


def _totals(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "Exported", f"{summary.exported:,} of {len(summary.exports):,}"
    yield "Credits", f"{summary.credits:,}"
    yield "URLs", f"{summary.rows:,}"
    yield "Time", in_words(summary.seconds)
    for status in dict.fromkeys(export.status for export in summary.exports):
        yield status.value.capitalize(), f"{sum(export.status is status for export in summary.exports):,}"


def _told(export: OneOfMany) -> str:
    return f"- {_linked(export)}: *{export.status.value}*. {text(export.says)} {text(export.next_step)}".rstrip()


def _linked(export: OneOfMany) -> str:
    """Return the export's name, as a link to its run where there are pages."""
    page = url_for("flow-run", export.flow_run_id) if export.flow_run_id and PREFECT_API_URL.value() else None
    return f"[{text(str(export))}]({page})" if page else code(str(export))
