"""`botify-export portfolio`: many projects from a file, from the terminal."""

import argparse
from functools import partial
from pathlib import Path

import pandas as pd

from flows.commands.printing import print_json
from flows.portfolio import RunAs, export_portfolio
from flows.prefect_server import prefect_server
from flows.running import run_flow
from tasks.artifacts.portfolio_table import WHERE, table_rows
from tasks.exports.errors import PrefectUnavailable
from tasks.exports.portfolio import choose_projects
from tasks.exports.settings import Settings
from tasks.exports.summary import Summary
from tasks.ledger.durations import in_words


def portfolio(options: argparse.Namespace) -> None:
    """Export the projects of the file, and print what became of each. Raises ExportError, the worst there was."""
    # What can be wrong without asking anybody is said at once, not after Prefect has started.
    settings = Settings.load(options.output_dir)
    chosen = choose_projects([], options.file, options.group)
    if options.deployment:
        _refuse_without_a_server()
    # Workers have their own, but what is counted before is counted here.
    used_here = not options.deployment or options.max_credits is not None
    if used_here and not options.credentials and not all(project.credentials for project in chosen):
        settings.with_token()
    summary = run_flow(
        partial(
            export_portfolio,
            # By its name: Prefect takes no parameters of more than half a megabyte.
            portfolio_file=_found_from_anywhere(options.file),
            group=options.group,
            run_as=RunAs.DEPLOYMENT if options.deployment else RunAs.SUBFLOWS,
            deployment=options.deployment or "",
            at_once=options.at_once,
            spread_minutes=options.spread_minutes,
            max_credits=options.max_credits,
            only_new=options.only_new,
            output_dir=str(options.output_dir or ""),
            credentials=options.credentials,
        ),
        log="botify_export.portfolio",
    )
    if options.json:
        print_json(summary)
    else:
        print(in_lines(summary))
        if summary.exported and not options.deployment:
            print(f"The files are in {settings.places.data_dir}.")
    if error := summary.error(summary.in_words("projects")):
        raise error


def in_lines(summary: Summary) -> str:
    """Return the table, why each that is missing is so and what to do about it, and the totals."""
    told = pd.DataFrame(table_rows(summary.exports)).drop(columns=WHERE)
    reasons: dict[str, list[str]] = {}
    for export in summary.missing:
        reasons.setdefault(export.next_step, []).append(export.in_words())
    missing = ["\n".join([*said, next_step]).rstrip() for next_step, said in reasons.items()]
    totals = f"{summary.in_words('projects')}, in {in_words(summary.seconds)}."
    return "\n\n".join([told.to_string(index=False), *missing, totals])


def _refuse_without_a_server() -> None:
    with prefect_server() as server:
        if server is None:
            raise PrefectUnavailable("No Prefect server is running, and a deployment needs one.")


def _found_from_anywhere(file: str) -> str:
    return file if "://" in file else str(Path(file).expanduser().resolve())
