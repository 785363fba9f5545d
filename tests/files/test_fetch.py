"""Fetching from a host that behaves as the test says."""

import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from tasks.exports.errors import BotifyRefused, DownloadDamaged, DownloadInterrupted, ExportError, FileGone, Interrupted
from tasks.files.fetch import Patience, fetch

BODY = bytes(range(256)) * 40
LINK = "https://cdn.example/exports/s3cr3t.csv.gz"
FRESH = "https://cdn.example/exports/fr3sh.csv.gz"
ETAG = {"ETag": '"one"'}

Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class _Body(httpx.SyncByteStream):
    """Chunks, and then perhaps a broken connection."""

    chunks: list[bytes]
    error: httpx.TransportError | None = None
    before_each: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.before_each()
            yield chunk
        if self.error:
            raise self.error


@dataclass
class _Host:
    """Gives its answers in turn, the last one for ever, and keeps what it was asked."""

    answers: list[Answer]
    asked: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    heard: list[tuple[int, int | None]] = field(default_factory=list)
    links_asked: int = 0
    now: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answers[min(len(self.asked), len(self.answers)) - 1](request)

    def fresh_url(self) -> SecretStr:
        self.links_asked += 1
        return SecretStr(FRESH)

    def chunks(self, link: str = LINK) -> Iterator[bytes]:
        transport = httpx.MockTransport(self)
        with httpx.Client(transport=transport, auth=("user", "password"), cookies={"c": "d"}) as client:
            client.headers["Authorization"] = "Token t"
            yield from fetch(
                SecretStr(link),
                client=client,
                fresh_url=self.fresh_url,
                stop=self.stop,
                on_bytes=lambda received, total: self.heard.append((received, total)),
                pause=self.pauses.append,
                clock=lambda: self.now,
                patience=Patience(attempts=4),
            )

    def body(self, link: str = LINK) -> bytes:
        return b"".join(self.chunks(link))


def _whole(_: httpx.Request, headers: dict[str, str] = ETAG) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Length": str(len(BODY)), **headers}, stream=_Body([BODY]))


def _cut(place: int, headers: dict[str, str] = ETAG) -> Answer:
    """A connection that breaks when so many bytes of the file have been sent."""

    def answer(request: httpx.Request) -> httpx.Response:
        broken = httpx.ReadError("Connection reset by peer")
        return httpx.Response(
            200, headers={"Content-Length": str(len(BODY)), **headers}, stream=_Body([BODY[:place]], broken)
        )

    return answer


def _rest(upto: int | None = None, headers: dict[str, str] = ETAG) -> Answer:
    """The part asked for; with `upto`, broken off there."""

    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        content_range = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
        stream = _Body([BODY[start:upto]], httpx.ReadTimeout("timed out") if upto else None)
        return httpx.Response(206, headers=content_range | headers, stream=stream)

    return answer


def _status(status: int, headers: dict[str, str] | None = None) -> Answer:
    return lambda _: httpx.Response(status, headers=headers)


def test_a_body_comes_as_it_lies_on_the_host() -> None:
    """Not decoded, with its length known."""
    host = _Host([lambda _: _whole(_, {"Content-Encoding": "gzip"})])
    assert host.body() == BODY
    assert host.heard == [(len(BODY), len(BODY))]
    assert host.asked[0].headers["Accept-Encoding"] == "identity"


def test_the_host_hears_nothing_that_is_secret() -> None:
    """Neither the client's token and cookies nor what stands before the @ of a link, after a redirect either."""
    host = _Host([_status(302, {"Location": "https://u:p@other.example/f"}), _whole])
    host.body("https://user:password@cdn.example/f")
    assert [request.url.host for request in host.asked] == ["cdn.example", "other.example"]
    assert not any({"authorization", "cookie"} & request.headers.keys() for request in host.asked)


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": '"one"', "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}, '"one"'),
        ({"ETag": 'W/"one"', "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}, "Sun, 22 Nov 2026 10:00:00 GMT"),
    ],
)
def test_a_cut_is_mended_with_the_rest_of_the_same_file(headers: dict[str, str], condition: str) -> None:
    """The condition is a strong ETag, or else the date."""
    host = _Host([_cut(1000, headers), _rest(5000, headers), _rest(None, headers)])
    assert host.body() == BODY
    assert [request.headers.get("Range") for request in host.asked] == [None, "bytes=1000-", "bytes=5000-"]
    assert [request.headers.get("If-Range") for request in host.asked] == [None, condition, condition]
    assert [received for received, _ in host.heard] == [1000, 5000, len(BODY)]


def test_a_host_without_ranges_sends_the_file_again() -> None:
    """What is known is passed over."""
    host = _Host([_cut(1000), _cut(500), _cut(3000), _whole])
    chunks = list(host.chunks())
    assert [len(chunk) for chunk in chunks] == [1000, 2000, len(BODY) - 3000]
    assert b"".join(chunks) == BODY


def test_a_body_that_ends_early_is_a_cut() -> None:
    """Although the connection was closed in order."""
    short = httpx.Response(200, headers={"Content-Length": str(len(BODY)), **ETAG}, stream=_Body([BODY[:10]]))
    assert _Host([lambda _: short, _rest()]).body() == BODY


def test_a_cut_behind_the_last_byte_is_no_loss() -> None:
    """A host that has no more to send says 416 and the length."""

    def chunked(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=ETAG, stream=_Body([BODY], httpx.RemoteProtocolError("incomplete")))

    assert _Host([chunked, _status(416, {"Content-Range": f"bytes */{len(BODY)}"})]).body() == BODY
    with pytest.raises(BotifyRefused, match="416"):
        _Host([chunked, _status(416, {"Content-Range": "bytes */7"})]).body()


@pytest.mark.parametrize(
    "answers",
    [
        [_cut(10), lambda _: _whole(_, {"ETag": '"two"'})],
        [_cut(10), lambda _: _whole(_, {})],
        [_cut(10), _rest(headers={"ETag": '"two"'})],
        [_cut(10), _status(206, {"Content-Range": f"bytes 11-{len(BODY) - 1}/{len(BODY)}"})],
        [_cut(10), _status(206, {"Content-Range": "bytes 10-99/100"})],
        [_cut(10), _status(206)],
        [_cut(10, {}), _rest()],
        [_cut(10, {"ETag": 'W/"one"'}), _rest()],
    ],
)
def test_another_file_is_never_sewn_to_the_first(answers: list[Answer]) -> None:
    """It has to be fetched from its start; so has one that names nothing to know it by."""
    with pytest.raises(DownloadDamaged):
        _Host(answers).body()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_host_that_is_busy_is_asked_again(status: int) -> None:
    """With a pause that it may name, up to a limit."""
    host = _Host(
        [_status(status), _status(status, {"Retry-After": "50"}), _status(status, {"Retry-After": "9999"}), _whole]
    )
    assert host.body() == BODY
    assert host.pauses[0] <= 1
    assert host.pauses[1:] == [50, 120]


def test_a_retry_after_may_be_a_date() -> None:
    """One that has passed, or is none, is as good as nothing."""
    dates = ("Sun, 22 Nov 1999 10:00:00 GMT", "Fri, 22 Nov 2999 10:00:00 GMT", "soon")
    host = _Host([*(_status(503, {"Retry-After": date}) for date in dates), _whole])
    assert host.body() == BODY
    assert host.pauses[0] <= 1
    assert host.pauses[1] == 120
    assert host.pauses[2] <= 4


def test_attempts_are_counted_without_progress_only() -> None:
    """A host that gives little at a time gives all in the end; one that gives nothing is left."""
    host = _Host([_cut(10), *(_rest(upto) for upto in range(20, 200, 10)), _rest()])
    assert host.body() == BODY
    stuck = _Host([_cut(10), _rest(20), _status(503)])
    with pytest.raises(DownloadInterrupted, match=r"4 attempts in a row: cdn\.example answered 503"):
        stuck.body()
    assert len(stuck.asked) == 2 + 3


def test_pauses_grow_and_are_never_equal() -> None:
    """So that many who were cut do not come back at once."""
    first, second = _Host([_status(503)]), _Host([_status(503)])
    for host in (first, second):
        with pytest.raises(DownloadInterrupted):
            host.body()
    assert [0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(first.pauses)] == [True, True, True]
    assert first.pauses != second.pauses


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_dead_link_is_replaced_once_per_progress(status: int) -> None:
    """The fresh one goes on with the same file; if it is dead too, so is the file."""
    host = _Host([_status(status), _cut(100), _status(status), _rest()])
    assert host.body() == BODY
    assert host.links_asked == 2
    assert str(host.asked[-1].url) == FRESH
    gone = _Host([_cut(100), _status(status)])
    with pytest.raises(FileGone, match=f"cdn.example answered {status}"):
        gone.body()
    assert gone.links_asked == 1


def test_what_the_fresh_link_runs_into_is_raised() -> None:
    """Asking for it is a conversation of its own."""
    host = _Host([_status(403)])

    def refuse() -> SecretStr:
        raise Interrupted("stopped")

    host.fresh_url = refuse  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        host.body()


@pytest.mark.parametrize("status", [204, 302, 400, 401, 418])
def test_any_other_answer_is_a_refusal(status: int) -> None:
    """It would be the same the next time."""
    with pytest.raises(BotifyRefused, match=str(status)):
        _Host([_status(status)]).body()


@pytest.mark.parametrize(
    ("link", "locations", "said"),
    [
        (LINK, ["http://cdn.example/f"], "unencrypted"),
        (LINK, ["https://b.example/f", "http://c.example/f"], "unencrypted"),
        (LINK, ["/f"] * 6, "more than 5"),
        ("http://cdn.example/", ["ftp://cdn.example/f"], "not a web address"),
        ("file:///etc/passwd", [], "not a web address"),
        ("https://cdn.example:port/", [], "not a URL"),
    ],
)
def test_a_link_may_not_lead_anywhere(link: str, locations: list[str], said: str) -> None:
    """Nor round in circles."""
    with pytest.raises(BotifyRefused, match=said):
        _Host([*(_status(302, {"Location": location}) for location in locations), _whole]).body(link)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_on_every_attempt(status: int) -> None:
    """From http to https, too, and from http to http."""
    there = _status(status, {"Location": "https://b.example/f"})
    host = _Host([there, _cut(10), there, _rest()])
    assert host.body() == BODY
    assert _Host([_status(status, {"Location": "/f"}), _whole]).body("http://cdn.example/") == BODY
    assert _Host([there, _whole]).body("http://cdn.example/") == BODY


def test_a_trickle_is_taken_for_a_stall() -> None:
    """One byte every ten seconds keeps a connection open for ever; the consumer's time does not count."""
    host = _Host([])

    def ten_seconds() -> None:
        host.now += 10

    def trickle(_: httpx.Request) -> httpx.Response:
        chunks = [BODY[n : n + 1] for n in range(100)]
        return httpx.Response(
            200, headers={"Content-Length": str(len(BODY)), **ETAG}, stream=_Body(chunks, None, ten_seconds)
        )

    host.answers = [trickle, _rest()]
    received = []
    for chunk in host.chunks():
        host.now += 1000
        received.append(chunk)
    assert b"".join(received) == BODY
    assert len(received) == 4


def test_stop_ends_a_download_between_two_chunks() -> None:
    """And before the first."""
    host = _Host([lambda _: httpx.Response(200, headers=ETAG, stream=_Body([BODY, BODY]))])
    chunks = host.chunks()
    assert next(chunks) == BODY
    host.stop.set()
    with pytest.raises(Interrupted):
        next(chunks)
    with pytest.raises(Interrupted):
        host.body()


def test_stop_ends_a_pause() -> None:
    """Nothing is asked any more."""
    host = _Host([_status(503)])
    host.pauses = _Stopping(host.stop)
    with pytest.raises(Interrupted):
        host.body()
    assert len(host.asked) == 1


class _Stopping(list[float]):
    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def append(self, pause: float) -> None:
        self._stop.set()


@pytest.mark.parametrize(
    "answers",
    [
        [_status(404)],
        [_status(503)],
        [_status(400)],
        [_cut(10), lambda _: _whole(_, {})],
        [_status(302, {"Location": "http://cdn.example/s3cr3t"})],
        [_status(302, {"Location": "/s3cr3t"})],
        [_status(302, {"Location": "https://cdn.example:s3cr3t/"})],
    ],
)
def test_a_link_stands_in_no_message_and_no_log_line(answers: list[Answer], caplog: pytest.LogCaptureFixture) -> None:
    """Who has it can read the data."""
    caplog.set_level("DEBUG")
    with pytest.raises(ExportError) as raised:
        _Host(answers).body()
    said = "".join(traceback.format_exception(raised.value))
    for secret in ("s3cr3t", "fr3sh"):
        assert secret not in said
        assert secret not in caplog.text
