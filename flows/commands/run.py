"""`botify-export run`: the export, from the terminal."""

import argparse
from functools import partial
from typing import Final

from upath import UPath

from flows.commands.asking import ask_in_terminal
from flows.commands.printing import print_json
from flows.export_crawl import export_crawl
from flows.running import run_flow
from tasks.delivery.preview import preview, short_url
from tasks.exports.depth import share
from tasks.exports.outcome import Outcome
from tasks.exports.project_address import ASK, parse_project_address
from tasks.exports.settings import Settings
from tasks.exports.site import check_coverage
from tasks.exports.wanted import OutputFormat

WIDEST: Final = 40


def run(options: argparse.Namespace) -> None:
    """Run the flow and print what it delivered. Raises ExportError."""
    # What can be wrong without asking anybody is said at once, not after Prefect has started.
    settings = Settings.load(options.output_dir)
    if not options.credentials:
        settings.with_token()
    parse_project_address(options.url)
    check_coverage(options.coverage, options.max_depth)
    if options.analysis == ASK:
        options.analysis = ask_in_terminal(options)
    outcome = run_flow(
        partial(
            export_crawl,
            options.url,
            analysis=options.analysis or "",
            fields=options.fields,
            max_rows=options.max_rows,
            max_depth=options.max_depth,
            output_dir=str(options.output_dir or ""),
            file_format=OutputFormat(options.format),
            excel=options.excel,
            refresh=options.refresh,
            coverage=options.coverage,
            max_credits=options.max_credits,
            credentials=options.credentials,
        )
    )
    if options.json:
        print_json(outcome)
    else:
        print(summary(outcome))


def summary(outcome: Outcome) -> str:
    """Say what was delivered, in lines that can be read and copied from."""
    jobs = outcome.jobs_in_words()
    depth = "" if outcome.max_depth is None else f" to depth {outcome.max_depth}"
    lines = [
        f"{outcome.rows:,} URLs of {outcome.org}/{outcome.project} {outcome.analysis}{depth}, "
        f"{share(outcome.rows, outcome.urls_total)} of the site: {outcome.status}.",
        *(f"  {name:<9} {path}" for name, path in _files(outcome)),
        f"  {'Job' if len(outcome.jobs) == 1 else 'Jobs':<9} {jobs}",
    ]
    if outcome.flow_run_url:
        lines.append(f"  Run       {outcome.flow_run_url}")
    return "\n".join(lines)


def _files(outcome: Outcome) -> list[tuple[str, UPath]]:
    named = [("CSV", outcome.csv), ("Parquet", outcome.parquet), *(("Excel", path) for path in outcome.excel)]
    return [(name, path) for name, path in (*named, ("Manifest", outcome.manifest)) if path]


def first_rows(outcome: Outcome) -> str:
    """Show the first rows as a table that fits a terminal."""
    rows = preview(outcome)
    rows["url"] = rows["url"].map(lambda url: short_url(url, WIDEST))
    return rows.to_string(index=False, max_colwidth=WIDEST, justify="left")
