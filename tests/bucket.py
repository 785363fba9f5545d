"""A bucket behind a real socket: moto's S3 in a thread, which loses requests and answers when it is told to."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import uuid4

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from upath import UPath
from werkzeug.serving import WSGIRequestHandler, make_server

from tasks.exports.places import Places
from tasks.exports.settings import Settings


class Loss(Enum):
    """What the store loses: the request, before it did anything, or the answer, when all is done."""

    REQUEST = "request"
    ANSWER = "answer"


@dataclass
class Store:
    """Moto's S3, and the faults that it is to show: each for the next request of its kind."""

    faults: list[tuple[Loss, str, str]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    s3: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))

    def lose(self, loss: Loss, method: str, path_with: str, times: int = 1) -> None:
        self.faults += [(loss, method, path_with)] * times

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        fault = next((f for f in self.faults if f[1] == method and f[2] in path), None)
        if fault is None:
            return self.s3(environ, start)  # type: ignore[no-any-return]
        self.faults.remove(fault)
        if fault[0] is Loss.ANSWER:
            b"".join(self.s3(environ, lambda *_: None))
        start("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>ServiceUnavailable</Code><Message>Try again.</Message></Error>"]


class Quiet(WSGIRequestHandler):
    """Keeps connections, and tells nobody."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None: ...


@contextmanager
def serving_s3(store: Store) -> Iterator[str]:
    """Serve the store; yield its address."""
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that everything of this test speaks to."""
    store = Store()
    with serving_s3(store) as address:
        settings = {
            "ENDPOINT_URL": address,
            "ACCESS_KEY_ID": "key",
            "SECRET_ACCESS_KEY": "secret",
            "REGION": "eu-west-1",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield store
        S3FileSystem.clear_instance_cache()  # the next test's store has another address


@pytest.fixture
def bucket(store: Store, monkeypatch: pytest.MonkeyPatch) -> UPath:
    """A new bucket, which is the data folder."""
    name = f"exports-{uuid4().hex[:8]}"
    S3FileSystem().mkdir(name)
    monkeypatch.setenv("BOTIFY_DATA_DIR", f"s3://{name}/botify")
    monkeypatch.setenv("BOTIFY_WORK_DIR", "work")
    return Settings.load().places.data_dir


@pytest.fixture
def shared_places(bucket: UPath) -> Places:
    """The places of a data folder in a bucket."""
    return Settings.load().places
