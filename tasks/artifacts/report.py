"""The report at the end of a run: what was asked, what came, and why it can be trusted."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import pandas as pd
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact
from pydantic import JsonValue

from tasks.artifacts.guarded import guarded
from tasks.artifacts.keys import artifact_key
from tasks.artifacts.markdown import code, table, text
from tasks.delivery.manifest import Check, Manifest, read_manifest
from tasks.delivery.preview import preview, short_url
from tasks.exports.depth import share
from tasks.exports.outcome import MOST_JOBS, Outcome, Status
from tasks.exports.project_address import HOST
from tasks.ledger.durations import in_words
from tasks.ledger.record import Decision

WIDEST_CELL: Final = 40
BOTIFY_API: Final = "api.botify.com"
# From one time in the manifest to another. A run that was interrupted saw a job done later than Botify had it done.
STAGES: Final = (
    ("submitting the job", "intent", "submitted"),
    ("Botify's job, until it was seen done", "submitted", "done"),
    ("downloading, unpacking, checking", "done", "downloaded"),
    ("publishing", "downloaded", "published"),
    ("from the plan of the slices to the files", "planned", "published"),
)


async def show_report(outcome: Outcome, api: str) -> None:
    """Publish the report of a finished run, and a link to the project at Botify if the export came from there."""
    await guarded(_show(outcome, api), "The report")


async def _show(outcome: Outcome, api: str) -> None:
    manifest, rows = await asyncio.to_thread(_read, outcome)
    page = botify_page(api, outcome.org, outcome.project)
    key = artifact_key("export", outcome.org, outcome.project)
    artifacts = [
        acreate_markdown_artifact(report(outcome, manifest, rows, page), key=key, description=_headline(outcome))
    ]
    if page:
        link_key = artifact_key("botify", outcome.org, outcome.project)
        artifacts.append(acreate_link_artifact(page, f"{outcome.org}/{outcome.project} at Botify", key=link_key))
    await asyncio.gather(*artifacts)


def _read(outcome: Outcome) -> tuple[Manifest, pd.DataFrame]:
    return read_manifest(outcome.manifest.parent), preview(outcome)


def botify_page(api: str, org: str, project: str) -> str | None:
    """Return the project's page (botify-api.md §1.3): None where `api` is a stand-in, whose projects Botify lacks."""
    return f"https://{HOST}/{org}/{project}/" if urlsplit(api).hostname == BOTIFY_API else None


def report(outcome: Outcome, manifest: Manifest, rows: pd.DataFrame, page: str | None = None) -> str:
    """Write the report as GitHub-flavoured Markdown. Paths are code: Prefect's pages open no link to a file."""
    parts = {
        "What was asked": _facts(_asked(manifest, page)),
        "What came": _facts(_came(outcome, manifest)),
        "Why it can be trusted": _checks(manifest),
        "How long it took" + (" then" if outcome.status is Status.REUSED else ""): _times(manifest.times),
        "The first rows": _first_rows(rows),  # at the end: as wide as it is, it lies over what the page has beside it
    }
    chapters = "\n\n".join(f"### {title}\n\n{words}" for title, words in parts.items() if words)
    return f"## {outcome.rows:,} URLs\n\n{_status(outcome, manifest)}\n\n{chapters}\n"


def _headline(outcome: Outcome) -> str:
    depth = "the whole site" if outcome.max_depth is None else f"to depth {outcome.max_depth}"
    return f"{outcome.analysis} {depth}: {outcome.rows:,} URLs, {outcome.status}"


def _status(outcome: Outcome, manifest: Manifest) -> str:
    if outcome.status is Status.COMPLETED:
        return "Published by this run: every check holds, and the files appeared together."
    when = manifest.times.get("published")
    published = f" on {when:%Y-%m-%d at %H:%M} UTC" if when else ""
    return (
        f"**Reused.** This export was published before{published}, and every byte of it still holds: nothing was paid."
    )


def _asked(manifest: Manifest, page: str | None) -> Iterator[tuple[str, str]]:
    project = code(f"{manifest.org}/{manifest.project}")
    yield "Project", f"{project}, [its page at Botify]({page})" if page else project
    yield "Analysis", code(manifest.analysis)
    number = len(manifest.jobs)
    slices = "in 1 slice" if number == 1 else f"in {number:,} slices"
    yield "URLs", f"the whole site, {slices}" if manifest.max_depth is None else manifest.jobs[0].filter
    limits = {job.request.get("export_size") for job in manifest.jobs}
    yield "Limit", " or ".join(f"{limit:,} rows a job" for limit in limits if isinstance(limit, int))
    yield "Fields", ", ".join(code(column.name) for column in manifest.columns)


def _came(outcome: Outcome, manifest: Manifest) -> Iterator[tuple[str, str]]:
    counted = (
        "as counted before" if manifest.rows == manifest.rows_predicted else f"{manifest.rows_predicted:,} counted"
    )
    yield "Rows", f"{outcome.rows:,}, {counted}"
    coverage = f"{outcome.rows:,} of {outcome.urls_total:,} URLs ({share(outcome.rows, outcome.urls_total)})"
    if manifest.max_depth is not None and manifest.urls_without_depth:
        coverage += f"; {manifest.urls_without_depth:,} have no depth and are not among them"
    yield "Coverage", coverage
    yield "Credits", _credits(outcome, manifest)
    yield "Jobs" if len(outcome.jobs) > 1 else "Job", text(outcome.jobs_in_words())
    if kept := [f"{code(each.column)} (row {each.row:,}: {code(each.example)})" for each in manifest.kept_as_text]:
        yield "Kept as text", ", ".join(kept)
    sizes = {file.name: file.size for file in manifest.files}
    named = [("CSV", outcome.csv), ("Parquet", outcome.parquet), *(("Excel", path) for path in outcome.excel)]
    for name, path in named:
        yield name, f"{code(str(path))} ({_size(sizes[path.name])})" if path else "not asked for"
    yield "Manifest", code(str(outcome.manifest))


def _credits(outcome: Outcome, manifest: Manifest) -> str:
    """Say what was paid, a credit a row (botify-api.md §7.1): by this run, or before it."""
    rows = {job.job_id: job.rows for job in manifest.jobs}
    new = (Decision.SUBMITTED, Decision.RESUBMITTED)
    now = sum(rows.get(job.job_id, 0) for job in outcome.jobs if job.decision in new)
    before = manifest.rows - now
    if not before:
        return f"{now:,}"
    return f"{now:,}; {before:,} more were paid before" if now else f"none; {before:,} were paid before"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def _checks(manifest: Manifest) -> str:
    """Return the checks with their figures: of the merged files first, and of the jobs where they are few."""
    checks = [("all", check) for check in manifest.checks]
    few = manifest.jobs if len(manifest.jobs) <= MOST_JOBS else ()
    checks += [(code(job.job_id), check) for job in few for check in job.checks]
    rows = [[whose, text(check.name), *_figures(check), "yes" if check.passed else "**no**"] for whose, check in checks]
    told = table(["job", "check", "expected", "found", "holds"], rows) if rows else ""
    if few:
        return told
    of_jobs = [check for job in manifest.jobs for check in job.checks]
    held = sum(check.passed for check in of_jobs)
    number = f"{held:,} of {len(of_jobs):,} checks of the {len(manifest.jobs):,} jobs"
    return f"{told}\n\n{number} hold; the manifest names each."


def _figures(check: Check) -> list[str]:
    return [_figure(check.expected), _figure(check.found)]


def _figure(value: JsonValue) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else text(str(value), WIDEST_CELL)


def _times(times: Mapping[str, datetime]) -> str:
    rows = [[stage, in_words(seconds)] for stage, seconds in stage_seconds(times)]
    return table(["stage", "time"], rows) if rows else ""


def stage_seconds(times: Mapping[str, datetime]) -> list[tuple[str, float]]:
    """Return the seconds of each stage of which the manifest has the beginning and the end, in their order."""
    known = [(stage, times[end] - times[begin]) for stage, begin, end in STAGES if begin in times and end in times]
    return [(stage, took.total_seconds()) for stage, took in known if took.total_seconds() >= 0]


def _first_rows(rows: pd.DataFrame) -> str:
    # A URL is code: the page would make a shortened one a link to nowhere.
    cells = [
        [code(short_url(url, WIDEST_CELL)), *(text(str(value), WIDEST_CELL) for value in others)]
        for url, *others in rows.itertuples(index=False)
    ]
    return table([text(str(name)) for name in rows.columns], cells)


def _facts(facts: Iterator[tuple[str, str]]) -> str:
    return table(["", ""], [[f"**{name}**", value] for name, value in facts])
