"""The report at the end of a run: the numbers and the first rows."""

from html import escape

import pandas as pd
from prefect.artifacts import acreate_markdown_artifact

from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.delivery.preview import short_url
from tasks.exports.depth import share
from tasks.exports.outcome import Outcome

WIDEST_CELL = 60


async def show_report(outcome: Outcome, preview: pd.DataFrame) -> None:
    """Publish the report of a finished run as a markdown artifact."""
    key = artifact_key("export", outcome.org, outcome.project)
    await guarded(acreate_markdown_artifact(report(outcome, preview), key=key), "The report")


def report(outcome: Outcome, preview: pd.DataFrame) -> str:
    """Write the report as GitHub-flavoured Markdown. Paths are code: Prefect's page opens no link to a file."""
    depth = "" if outcome.max_depth is None else f" to depth {outcome.max_depth}"
    facts = {
        "Crawl": f"{outcome.org}/{outcome.project} {outcome.analysis}{depth}",
        "Rows": f"{outcome.rows:,} of {outcome.urls_total:,} URLs ({share(outcome.rows, outcome.urls_total)})",
        "Status": f"{outcome.status}",
        "Job": outcome.jobs_in_words(),
        "CSV": f"`{outcome.csv}`" if outcome.csv else "not asked for",
        "Parquet": f"`{outcome.parquet}`" if outcome.parquet else "not asked for",
        "Manifest": f"`{outcome.manifest}`",
    }
    numbers = _table(["", ""], [[f"**{name}**", value] for name, value in facts.items()])
    # A URL is code as well: the page would make a shortened one a link to nowhere.
    rows = [
        [_code(short_url(url, WIDEST_CELL)), *map(_cell, others)] for url, *others in preview.itertuples(index=False)
    ]
    return f"## {outcome.rows:,} URLs\n\n{numbers}\n\n### The first rows\n\n{_table(list(preview.columns), rows)}\n"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(url: str) -> str:
    return "`" + url.replace("`", "%60").replace("|", "%7C") + "`"


def _cell(value: object) -> str:
    """Make a crawled text harmless inside a table: it is whatever a web page says."""
    text = " ".join(str(value).split())
    text = text if len(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"
    return escape(text).replace("|", "\\|").replace("`", "'").replace("[", "\\[")
