"""The checks that stand between a file and its publication."""

from collections.abc import Sequence

from pydantic import JsonValue

from tasks.delivery.manifest import Check
from tasks.exports.errors import RowsDiffer
from tasks.files.staging import Staged

# Whether Botify's own count includes a header and a `sep=` line is not known (botify-api.md §9.1).
LINES_THAT_ARE_NO_ROWS = 2


def checks(
    staged: Staged, *, length: int | None, rows_expected: int, nb_lines: int | None, tolerance: float
) -> tuple[Check, ...]:
    """Compare what came with what was announced and counted before; `length` in bytes, where the host gave it.

    The checksums stand here with their number for the manifest: a file that fails one is never staged.
    """
    allowed = int(rows_expected * tolerance)
    archive = staged.archive
    found = [
        _check("bytes are those announced", length, archive.bytes, length in (None, archive.bytes)),
        _check(f"checksums of the {archive.kind} members hold", archive.members, archive.members, passed=True),
        _check(
            "rows are those counted with the same filter",
            rows_expected,
            staged.rows,
            abs(staged.rows - rows_expected) <= allowed,
        ),
        _check("no URL stands twice", None, staged.duplicate_url, not staged.duplicate_url),
    ]
    if nb_lines is not None:
        within = -allowed <= nb_lines - staged.rows <= LINES_THAT_ARE_NO_ROWS + allowed
        found.append(_check("rows are those the job reports", nb_lines, staged.rows, within))
    return tuple(found)


def site_checks(staged: Staged, rows_of_slices: Sequence[int], urls_total: int, tolerance: float) -> tuple[Check, ...]:
    """Compare the merged files with the slices they were made of, and with all URLs that Botify counts."""
    rows, of_slices = staged.rows, sum(rows_of_slices)
    within = abs(rows - urls_total) <= int(urls_total * tolerance)
    return (
        _check("rows are the sum of the slices", of_slices, rows, rows == of_slices),
        _check("rows are all URLs of the analysis", urls_total, rows, within),
        _check("no URL stands in two slices", None, staged.duplicate_url, not staged.duplicate_url),
    )


def _check(name: str, expected: JsonValue, found: JsonValue, passed: bool) -> Check:
    return Check(name=name, expected=expected, found=found, passed=passed)


def refuse_unless_all_hold(found: tuple[Check, ...]) -> None:
    """Raise RowsDiffer naming every check that failed, with its figures."""
    if failed := [check for check in found if not check.passed]:
        words = "; ".join(f"{check.name}: expected {check.expected}, found {check.found}" for check in failed)
        raise RowsDiffer(f"Nothing was published, for not every check holds ({words}).")
