"""`botify-export demo`: the main job against a Botify that lives on this machine."""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Final

from deployments.sandbox import TOKEN, Behaviour, Sandbox, serving
from flows.commands.run import first_rows, summary
from flows.export_crawl import export_crawl
from flows.running import run_flow

# Small enough that the depth calculation has something to decide.
MAX_ROWS: Final = 1000
FIELDS: Final = ["depth", "http_code", "title", "h1"]
DATA_DIR: Final = Path("data")


def demo(_: argparse.Namespace) -> None:
    """Export a real crawl of a real site from the sandbox, and show the file. Raises ExportError."""
    with serving(Sandbox(Behaviour(job_seconds=3))) as sandbox:
        url = sandbox.project_urls[0]
        os.environ |= {"BOTIFY_API_URL": sandbox.api_url, "BOTIFY_API_TOKEN": TOKEN}
        print(f"$ botify-export run {url} --max-rows {MAX_ROWS} --fields {','.join(FIELDS)}", flush=True)
        outcome = run_flow(partial(export_crawl, url, max_rows=MAX_ROWS, fields=FIELDS, output_dir=str(DATA_DIR)))
    print(f"\n{summary(outcome)}\n\n{first_rows(outcome)}")
