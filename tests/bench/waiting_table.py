"""What waits took, as Markdown, and what the rate that Botify allows implies."""

from collections.abc import Iterator, Sequence
from typing import Final

from tasks.botify.job_board import SHARE_OF_LOOKS
from tasks.exports.settings import Settings
from tests.bench.footprint import Footprint
from tests.bench.markdown import head, line
from tests.bench.waiting import SPREAD, WINDOW, Waited
from tests.bench.waiting_run import Kind

_RATE: Final = int(Settings.model_fields["requests_per_second"].default)
_LOOKS: Final = _RATE * SHARE_OF_LOOKS


def waiting_table(database: str, measured: Sequence[Waited]) -> Iterator[str]:
    """A caption, a line for each case, and what 5 requests a second imply."""
    yield (
        f"Waiting: so many exports at once in one process, with the settings that are the default, "
        f"{_RATE} requests a second among them, and a Prefect server on {database}. Memory, CPU and requests are those "
        f"of {WINDOW:.0f} s in which all of them wait; then their jobs become DONE, evenly over {SPREAD:.0f} s. "
        f"*{Kind.EXPORT.capitalize()}* are those of `export_portfolio` as runs within its run; *{Kind.TASK}*, is "
        "`poll_job` in one run, for jobs that were made before. All processes ran side by side, each with a Botify of "
        "its own. The most requests in one second are those of the whole process, from its first to its last."
    )
    yield ""
    yield from head(
        "what waits",
        "exports",
        "projects",
        "peak MB",
        "kB an export",
        "threads",
        "open files",
        "CPU s a minute",
        "requests a second",
        "most in one second",
        "DONE to noticed s, median",
        "longest",
    )
    for each in measured:
        yield _line(each, measured)
    yield ""
    yield (
        f"Of {_RATE} requests a second, looks take {_LOOKS:g}, and the others are left for what else exports do. One "
        "request lists a hundred jobs of one project, and each job is looked at alone every tenth time. So a look at "
        f"1,000 jobs of one project takes about 110 requests, {110 / _LOOKS:.0f} s; at 1,000 jobs of 1,000 projects "
        f"1,000 requests, {1000 / _LOOKS:.0f} s: that is then the pause between two looks at a job, and the delay is "
        "half of it on average. With few exports it is the longest pause, BOTIFY_POLL_MAX_SECONDS. 1,000 whole exports "
        f"take about ten requests each beside their looks: {10_000 / _RATE / 60:.0f} minutes at {_RATE} a second, "
        "whatever they run on; that is why only the tasks are measured with a thousand. The thread that each whole "
        "export has is Prefect's: it says of a run of a flow that its process is still there."
    )


def _line(each: Waited, measured: Sequence[Waited]) -> str:
    return line(
        each.waiting.kind,
        f"{each.waiting.exports:,}",
        f"{each.waiting.projects:,}",
        f"{each.waits.peak / 1e6:.0f}",
        _memory_each(each, measured),
        each.waits.threads,
        each.waits.files,
        f"{each.cpu_a_minute:.1f}",
        f"{each.requests_a_second:.1f}",
        each.most_in_one_second,
        f"{each.median_delay:.0f}",
        f"{max(each.delays):.0f}",
    )


def _memory_each(each: Waited, measured: Sequence[Waited]) -> str:
    """What each export takes more than the first of its kind; nothing for the first, and where it was not measured."""
    first = next((one for one in measured if _is_first(one) and one.waiting.kind is each.waiting.kind), None)
    if first is None or _is_first(each):
        return ""
    return f"{_more(each.waits, first.waits) / (each.waiting.exports - 1) / 1e3:.0f}"


def _is_first(each: Waited) -> bool:
    return each.waiting.exports == 1


def _more(footprint: Footprint, than: Footprint) -> int:
    return footprint.peak - than.peak
