"""Everything that can go wrong, each with an exit code and what to do next.

ExportError
├── InputRefused                 2  nothing was sent that costs
│   ├── ProjectUrlRefused
│   ├── AnalysisRefused
│   ├── FieldRefused
│   ├── DepthRefused
│   ├── SettingRefused
│   ├── CreditsExceeded
│   ├── ExportUnknown
│   ├── PortfolioRefused
│   └── TokenMissing
├── BotifyRefused                3  Botify said no
│   ├── TokenRefused
│   ├── AccessDenied
│   ├── NotFound
│   ├── RequestRefused
│   ├── JobFailed
│   └── FileGone
├── RowsDiffer                   3  the file is not the crawl that was counted
├── FileRefused                  3  the file is not one that an export can hold
└── NotFinished                  4  safe: the same command goes on
    ├── BotifyUnavailable
    ├── SubmissionUnknown
    ├── LedgerChanged
    ├── HoldLost
    ├── JobStillRunning
    ├── DownloadDamaged
    ├── DownloadInterrupted
    ├── DataFolderUnusable
    ├── PublishedFilesDamaged
    ├── PrefectUnavailable
    └── Interrupted

An exception outside this tree is a bug: exit code 1.
"""

from typing import ClassVar


class ExportError(Exception):
    """What happened, in one sentence; `next_step` says what the person at the keyboard does about it."""

    exit_code: ClassVar[int] = 1
    next_step: str = ""

    def __init__(self, what_happened: str, *, next_step: str | None = None) -> None:
        super().__init__(what_happened)
        if next_step is not None:
            self.next_step = next_step

    def __reduce__(self) -> tuple[object, ...]:
        # Prefect pickles what a task raised; the keyword would be lost on the way.
        return _rebuild, (type(self), str(self), self.next_step)


def _rebuild(kind: type[ExportError], what_happened: str, next_step: str) -> ExportError:
    return kind(what_happened, next_step=next_step)


class InputRefused(ExportError):
    """The input is wrong; nothing was sent that costs."""

    exit_code = 2
    next_step = "Correct the command and run it again."


class ProjectUrlRefused(InputRefused):
    """Not the address of a Botify project."""

    next_step = "Paste the address of the project as the browser shows it: https://app.botify.com/ORG/PROJECT/"


class AnalysisRefused(InputRefused):
    """No such analysis, or not one that can be exported."""

    next_step = "`botify-export analyses URL` lists the analyses that can be exported."


class FieldRefused(InputRefused):
    """A field that this analysis does not have."""

    next_step = "Correct --fields; the names are those of the project's own field list."


class DepthRefused(InputRefused):
    """No depth fits the row limit."""

    next_step = "Raise --max-rows."


class SettingRefused(InputRefused):
    """A setting or an option with an impossible value."""

    next_step = "Correct the setting; the README's table lists all of them."


class CreditsExceeded(InputRefused):
    """What is still to be paid for is more than --max-credits."""

    next_step = "Raise --max-credits, or export less: a smaller --max-rows or --max-depth, or --coverage depth."


class ExportUnknown(InputRefused):
    """A name that is no export's, or a path that is no published folder."""

    next_step = "`botify-export exports` lists the exports that this data folder knows."


class PortfolioRefused(InputRefused):
    """A list of projects that cannot be exported as it stands."""

    next_step = "Correct the list and run it again."


class TokenMissing(InputRefused):
    """No API token was found."""

    next_step = (
        "Set BOTIFY_API_TOKEN, or put the token on the first line of botify_token.txt; "
        "it is shown on https://app.botify.com/account."
    )


class BotifyRefused(ExportError):
    """Botify said no."""

    exit_code = 3
    next_step = "Ask the project's owner or Botify's support, quoting Botify's words above."


class TokenRefused(BotifyRefused):
    """401: the token is not valid, or no longer."""

    next_step = "Copy the current token from https://app.botify.com/account; making a new one ends the old at once."


class AccessDenied(BotifyRefused):
    """403: the token's user may not do this."""

    next_step = "Ask the project's owner for access, or Botify for API access."


class NotFound(BotifyRefused):
    """404: Botify does not know it, or hides it from this user."""

    next_step = "Check the organisation and the project in the URL, and that your user can open it in the browser."


class RequestRefused(BotifyRefused):
    """Another 4xx: Botify does not accept the request as it is."""


class JobFailed(BotifyRefused):
    """The export job ended as FAILED."""

    next_step = "Run the same command again: it submits a new job."


class FileGone(BotifyRefused):
    """Botify no longer has the file of a job that is done."""

    next_step = "`--refresh` makes, and pays for, a new export."


class RowsDiffer(ExportError):
    """The rows found are not the rows counted; nothing was published."""

    exit_code = 3
    next_step = (
        "Run again to fetch the file once more (no new job). If you know why they differ, "
        "BOTIFY_ROW_TOLERANCE=0.01 accepts a difference of 1 %."
    )


class FileRefused(ExportError):
    """The file is whole but is not one table of the columns asked for; nothing was published."""

    exit_code = 3
    next_step = "Look at what came; if it is what Botify means to send, report it to botify-export's developers."


class NotFinished(ExportError):
    """Not finished but safe."""

    exit_code = 4
    next_step = "Run the same command again: it goes on where this one stopped."


class BotifyUnavailable(NotFinished):
    """No usable answer, however often it was asked for."""


class SubmissionUnknown(NotFinished):
    """The job was sent but no answer came back, so it may or may not exist."""


class LedgerChanged(NotFinished):
    """Another run wrote the export's record meanwhile: what it recorded stands."""

    next_step = "Run the same command again: it goes on from what the other run recorded."


class HoldLost(NotFinished):
    """The Prefect server no longer vouches that this run is the only one at its export; nothing more was sent."""


class JobStillRunning(NotFinished):
    """The job was not done when the patience ended."""

    next_step = "Run the same command again: it waits for the same job. BOTIFY_JOB_TIMEOUT sets the patience."


class DownloadDamaged(NotFinished):
    """What arrived is not the file that was sent: cut, or with a wrong checksum."""

    next_step = "Run the same command again: the file is fetched again, from the same job."


class DownloadInterrupted(NotFinished):
    """The connection to the download host kept breaking."""

    next_step = "Run the same command again: the file is fetched again, from the same job."


class DataFolderUnusable(NotFinished):
    """The data folder cannot be written to, or holds what this version cannot read."""

    next_step = "Free space or correct the permissions, then run the same command again."


class PublishedFilesDamaged(NotFinished):
    """A published file does not hold against its manifest."""

    next_step = "Run its export again: the files are fetched again, from the same job."


class PrefectUnavailable(NotFinished):
    """The Prefect server that was named does not answer."""

    next_step = "Start it (`prefect server start`), or unset PREFECT_API_URL to run without one."


class Interrupted(NotFinished):
    """Stopped from outside."""
