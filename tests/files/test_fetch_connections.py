"""Fetching over real connections that break, fall silent or are stopped."""

import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from pydantic import SecretStr

from tasks.exports.errors import DownloadInterrupted, Interrupted
from tasks.files.fetch import Patience, fetch

BODY = bytes(range(256)) * 4000
HEAD = b'HTTP/1.1 %s\r\nETag: "one"\r\nContent-Length: %d\r\n%s\r\n'

Conversation = Callable[[socket.socket, int], None]


def _send(connection: socket.socket, start: int, end: int) -> None:
    if start:
        content_range = b"Content-Range: bytes %d-%d/%d\r\n" % (start, len(BODY) - 1, len(BODY))
        connection.sendall(HEAD % (b"206 Partial Content", len(BODY) - start, content_range))
    else:
        connection.sendall(HEAD % (b"200 OK", len(BODY), b""))
    connection.sendall(BODY[start:end])


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def _served(*conversations: Conversation) -> Iterator[str]:
    """A host that holds these conversations in turn, one a connection, each from the byte it is asked for."""
    connections: list[socket.socket] = []

    def serve() -> None:
        for conversation in conversations:
            connection, _ = listening.accept()
            connections.append(connection)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            start = request.partition(b"Range: bytes=")[2].partition(b"-")[0]
            conversation(connection, int(start or 0))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/s3cr3t"
        finally:
            thread.join()
            for connection in connections:
                connection.close()


def _cut(place: int, end: Callable[[socket.socket], None] = socket.socket.close) -> Conversation:
    def converse(connection: socket.socket, start: int) -> None:
        _send(connection, start, place)
        end(connection)

    return converse


def _keep_silent(connection: socket.socket, start: int) -> None:
    _send(connection, start, start + 1000)


def _chunks(url: str, stop: threading.Event, patience: Patience | None = None) -> Iterator[bytes]:
    with httpx.Client() as client:
        yield from fetch(
            SecretStr(url),
            client=client,
            fresh_url=lambda: SecretStr(url),
            stop=stop,
            on_bytes=lambda received, total: None,
            pause=lambda seconds: None,
            patience=patience,
        )


@pytest.mark.parametrize("end", [socket.socket.close, _reset])
def test_a_body_comes_whole_over_connections_that_break(end: Callable[[socket.socket], None]) -> None:
    """Closed in order or reset."""
    with _served(_cut(100_000, end), _cut(600_000, end), _cut(len(BODY))) as url:
        assert b"".join(_chunks(url, threading.Event())) == BODY


def test_a_silent_connection_is_left_for_another() -> None:
    """After the time of silence that is allowed."""
    with _served(_keep_silent, _cut(len(BODY))) as url:
        assert b"".join(_chunks(url, threading.Event(), Patience(silence=0.1))) == BODY


def test_a_host_that_is_not_there_is_given_up() -> None:
    """With the host's name and the reason, and without the link."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/s3cr3t"
    with pytest.raises(DownloadInterrupted, match=r"127\.0\.0\.1 failed in 8 attempts") as raised:
        list(_chunks(url, threading.Event()))
    assert "s3cr3t" not in str(raised.value)


def test_stop_ends_a_read_that_waits() -> None:
    """Long before the silence would; and no thread is left."""
    before = threading.enumerate()
    stop = threading.Event()
    with _served(_keep_silent) as url:
        chunks = _chunks(url, stop, Patience(silence=60))
        assert sum(len(next(chunks)) for _ in range(1)) <= 1000
        stop.set()
        with pytest.raises(Interrupted):
            list(chunks)
    assert threading.enumerate() == before


def test_nothing_is_left_when_the_chunks_are_not_wanted_any_more() -> None:
    """Neither a connection nor a thread."""
    before = threading.enumerate()
    with _served(_keep_silent) as url:
        chunks = _chunks(url, threading.Event())
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    assert threading.enumerate() == before


def test_the_libraries_do_not_log_the_link(caplog: pytest.LogCaptureFixture) -> None:
    """At any level; and what other threads log stays."""
    caplog.set_level(logging.DEBUG)
    with _served(_cut(len(BODY))) as url:
        list(_chunks(url, threading.Event()))
    assert "s3cr3t" not in caplog.text
    logging.getLogger("httpx").info("as ever")
    assert "as ever" in caplog.text
