"""Two things httpx has no option for: ending a silent connection from another thread, and not logging a URL."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import httpx

_LOOK_FOR_STOP: Final = 0.25  # seconds
_TALKATIVE: Final = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")


@contextmanager
def hung_up_on(stop: threading.Event, response: httpx.Response) -> Iterator[None]:
    """While this lasts, `stop` ends a read that waits for the next byte, which may be long in coming."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream else None
    if connection is None:  # not a transport with sockets
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(stop, done, connection), name="fetch-stop", daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _watch(stop: threading.Event, done: threading.Event, connection: socket.socket) -> None:
    while not done.wait(_LOOK_FOR_STOP):
        if stop.is_set():
            with suppress(OSError):
                # The plain socket's: a TLS one would say goodbye first, in the middle of another thread's read.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            return


@contextmanager
def unlogged() -> Iterator[None]:
    """Drop what httpx and httpcore log in this thread: the request's URL, and at DEBUG the redirect's."""
    here = threading.get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(elsewhere)
