"""What a person at a terminal sees of a run: a live line and the log, or plain lines in a pipe. All on stderr."""

import logging
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as LiveLine

from tasks.artifacts.progress import Progress

EVERYTHING: Final = "botify_export"
STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "red"}


class Terminal(logging.Handler):
    """Shows the progress of the run, and of the log of `botify_export` the part with this name and all warnings."""

    def __init__(self, log: str = EVERYTHING) -> None:
        super().__init__(logging.INFO)
        self.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith(log))
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._line: LiveLine | None = None
        self._said = ""

    def __enter__(self) -> Self:
        logger = logging.getLogger(EVERYTHING)
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.percentage:>3.0f} %"),
                BarColumn(20),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            self._line = LiveLine(*columns, console=self.console, transient=True)
            self._line.add_task("Beginning", total=100)
            self._line.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._line:
            self._line.stop()
        logger = logging.getLogger(EVERYTHING)
        logger.removeHandler(self)
        logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        self.say(record.getMessage(), STYLES.get(record.levelno))

    def say(self, sentence: str, style: str | None = None) -> None:
        self.console.print(sentence, style=style, markup=False)

    def progress(self, progress: Progress) -> None:
        """Move the live line; in a pipe, print a line when something else is being done."""
        if self._line:
            self._line.update(self._line.task_ids[0], completed=progress.percent, description=progress.text)
            return
        doing = progress.text.partition(":")[0]
        if doing != self._said:
            self._said = doing
            self.console.print(f"{doing} …", markup=False)
