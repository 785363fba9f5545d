"""What a run writes to its log: our own sentences, and no traceback where nothing is broken."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging.handlers import APILogHandler

from tasks.exports.errors import ExportError


@contextmanager
def logs_on_the_run() -> Iterator[None]:
    """Send the records of `botify_export` to the page of the current flow run, also of a run within a run."""
    logger = logging.getLogger("botify_export")
    if any(isinstance(known, APILogHandler) for known in logger.handlers):
        yield
        return
    handler = APILogHandler()
    logger.addHandler(handler)
    logger.setLevel(min(logger.level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _NoTraceback(logging.Filter):
    """An ExportError says in its own words what happened and what to do; a traceback would bury them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], ExportError):
            record.exc_info = None
        return True


def leave_out_tracebacks() -> None:
    """Do so for the engine's own records of failed runs."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _NoTraceback) for known in logger.filters):
            logger.addFilter(_NoTraceback())
