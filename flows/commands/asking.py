"""Which analysis? Asked in the terminal, before anything else is done."""

import argparse
import asyncio
import sys

import pandas as pd

from flows.commands.analyses import analysis_row, list_of
from tasks.exports.errors import AnalysisRefused


def ask_in_terminal(options: argparse.Namespace) -> str:
    """Return the slug of the analysis that the person at the terminal chooses. Raises AnalysisRefused."""
    if not sys.stdin.isatty():
        raise AnalysisRefused(
            "There is nobody to ask: standard input is no terminal.",
            next_step="Name the analysis: --analysis latest, or a slug.",
        )
    found = [analysis for analysis in asyncio.run(list_of(options)).analyses if analysis.status == "success"]
    if not found:
        raise AnalysisRefused("This project has no successful analysis yet.")
    rows = [{"": str(number), **analysis_row(analysis)} for number, analysis in enumerate(found, start=1)]
    print(pd.DataFrame(rows).to_string(index=False), file=sys.stderr)
    while True:
        print(f"Which one? [1: {found[0].slug}] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise AnalysisRefused("No analysis was chosen.")
        answer = answer.strip() or "1"
        chosen = [each.slug for number, each in enumerate(found, start=1) if answer in (str(number), each.slug)]
        if chosen:
            return chosen[0]
        print(f"{answer!r} is none of them.", file=sys.stderr)
