"""What became of many exports that one run made: each by itself, and all together."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, computed_field

from tasks.exports.errors import BotifyRefused, CreditsExceeded, ExportError, InputRefused, NotFinished
from tasks.exports.outcome import Outcome, Status

A_BUG: Final = "This is a bug in botify-export: its run's log shows where. Nothing is lost: the same again goes on."
# What an export raised may have happened in another process: here it is known by its exit code.
KINDS: Final = {kind.exit_code: kind for kind in (ExportError, InputRefused, BotifyRefused, NotFinished)}


class ExportStatus(StrEnum):
    """How far one export is; the first three have yet to end."""

    WAITING = "waiting"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = Status.COMPLETED
    REUSED = Status.REUSED
    SKIPPED = Status.SKIPPED
    NOT_PAID_FOR = "not paid for"
    NOT_FINISHED = "not finished"
    FAILED = "failed"

    @property
    def is_there(self) -> bool:
        return self in (ExportStatus.COMPLETED, ExportStatus.REUSED, ExportStatus.SKIPPED)

    @property
    def has_failed(self) -> bool:
        return self in (ExportStatus.FAILED, ExportStatus.NOT_FINISHED)


class OneOfMany(BaseModel):
    """One export among many. `credits` is what this run paid for it; `says` is its folder, or why there is none."""

    model_config = ConfigDict(frozen=True)

    project: str = ""
    analysis: str = ""
    status: ExportStatus = ExportStatus.WAITING
    rows: int | None = None
    credits: int = 0
    seconds: float = 0.0
    says: str = ""
    next_step: str = ""
    exit_code: int = 0
    flow_run_id: str | None = None

    def __str__(self) -> str:
        return f"{self.project} {self.analysis}".rstrip()

    def in_words(self) -> str:
        """Say in one line what became of it."""
        if self.status.is_there:
            return f"{self}: {self.status}, {self.rows or 0:,} URLs, {self.credits:,} credits."
        return f"{self}: {self.status}. {self.says}".rstrip()

    def now(self, status: ExportStatus, **facts: object) -> Self:
        return self.model_copy(update={"status": status, **facts})

    def delivered(self, outcome: Outcome) -> Self:
        return self.now(
            ExportStatus(outcome.status),
            analysis=outcome.analysis,
            rows=outcome.rows,
            says=str(outcome.manifest.parent),
            flow_run_id=outcome.flow_run_id,
        )

    def failed(self, error: BaseException) -> Self:
        """Return the export that ended with the error, foreseen or not."""
        if not isinstance(error, ExportError):
            says = f"{type(error).__name__}: {error}"
            return self.now(ExportStatus.FAILED, says=says, next_step=A_BUG, exit_code=ExportError.exit_code)
        status = ExportStatus.FAILED
        if isinstance(error, CreditsExceeded):
            status = ExportStatus.NOT_PAID_FOR
        elif isinstance(error, NotFinished):
            status = ExportStatus.NOT_FINISHED
        return self.now(status, says=str(error), next_step=error.next_step, exit_code=error.exit_code)


class Summary(BaseModel):
    """Many exports, in the order of their list, and how long all took together."""

    model_config = ConfigDict(frozen=True)

    exports: tuple[OneOfMany, ...]
    seconds: float = 0.0

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no computed property
    @property
    def exported(self) -> int:
        """How many are there."""
        return sum(export.status.is_there for export in self.exports)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rows(self) -> int:
        return sum(export.rows or 0 for export in self.exports)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def credits(self) -> int:
        """What this run paid, also for exports that failed."""
        return sum(export.credits for export in self.exports)

    @property
    def missing(self) -> tuple[OneOfMany, ...]:
        return tuple(export for export in self.exports if not export.status.is_there)

    def in_words(self, what: str) -> str:
        """Say how many of `what` are there and what they cost, and how many are not there for which reason."""
        words = [f"{self.exported:,} of {len(self.exports):,} {what} are exported, for {self.credits:,} credits"]
        counts = [(len(self._that_are(status)), status) for status in (ExportStatus.FAILED, ExportStatus.NOT_FINISHED)]
        words += [f"{number:,} {status}" for number, status in counts if number]
        if not_paid := self._that_are(ExportStatus.NOT_PAID_FOR):
            words.append(f"max_credits stopped {_named(not_paid)}")
        return "; ".join(words)

    def _that_are(self, status: ExportStatus) -> list[OneOfMany]:
        return [export for export in self.exports if export.status is status]

    def error(self, words: str) -> ExportError | None:
        """Return what the worst export ended with, after these words; None where all are there.

        CreditsExceeded stands for those that were not paid for, where nothing else is missing.
        """
        if failed := [export for export in self.exports if export.status.has_failed]:
            worst = min(failed, key=lambda export: export.exit_code)
            return KINDS[worst.exit_code](f"{words}. {worst}: {worst.says}", next_step=worst.next_step)
        return CreditsExceeded(f"{words}.", next_step=self.missing[0].next_step) if self.missing else None


def _named(exports: Sequence[OneOfMany]) -> str:
    more = f" and {len(exports) - 1:,} more" if len(exports) > 1 else ""
    return f"{exports[0]}{more}"
