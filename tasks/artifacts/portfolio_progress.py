"""How far many exports are that run side by side, as the progress of one run."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.artifacts.progress import Progress, tell, translated


class ProjectProgress:
    """The mean of the projects' progress, none weighing more than another: what they hold is not known before."""

    def __init__(self, projects: int) -> None:
        self._percents = [0.0] * projects
        self._sum = 0.0
        self._ended = 0

    @contextmanager
    def of_project(self, number: int, name: str) -> Iterator[None]:
        """Take what is shown inside for the progress of the project with this number (from 0)."""

        def meant(progress: Progress) -> Progress:
            self._sum += progress.percent - self._percents[number]
            self._percents[number] = progress.percent
            text = f"{self._ended} of {len(self._percents)} projects: {name}: {progress.text}"
            return Progress(round(self._sum / len(self._percents), 1), text)

        with translated(meant):
            try:
                yield
            finally:
                self._ended += 1
                tell(Progress(100.0, "ended"))
