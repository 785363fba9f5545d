"""The checks that stand between a file and its publication."""

from tasks.delivery.manifest import Check
from tasks.exports.errors import RowsDiffer
from tasks.files.staging import Staged

# Whether Botify's own count includes a header and a `sep=` line is not known (botify-api.md §9.1).
LINES_THAT_ARE_NO_ROWS = 2


def checks(staged: Staged, *, rows_expected: int, nb_lines: int | None, tolerance: float) -> tuple[Check, ...]:
    """Compare the rows found with the count asked before the export, and with the job's own where it gives one."""
    allowed = int(rows_expected * tolerance)
    found = [
        Check(
            name="rows are those counted with the same filter",
            expected=rows_expected,
            found=staged.rows,
            passed=abs(staged.rows - rows_expected) <= allowed,
        ),
        Check(name="no URL stands twice", expected=None, found=staged.duplicate_url, passed=not staged.duplicate_url),
    ]
    if nb_lines is not None:
        within = -allowed <= nb_lines - staged.rows <= LINES_THAT_ARE_NO_ROWS + allowed
        found.append(Check(name="rows are those the job reports", expected=nb_lines, found=staged.rows, passed=within))
    return tuple(found)


def refuse_unless_all_hold(found: tuple[Check, ...]) -> None:
    """Raise RowsDiffer naming every check that failed, with its figures."""
    if failed := [check for check in found if not check.passed]:
        words = "; ".join(f"{check.name}: expected {check.expected}, found {check.found}" for check in failed)
        raise RowsDiffer(f"Nothing was published, for not every check holds ({words}).")
