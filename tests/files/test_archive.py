"""Unpacking: whole archives give their bytes, and every other one is refused."""

import gzip
import io
import os
import random
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

import pytest

from tasks.exports.errors import DownloadDamaged, FileRefused
from tasks.files.archive import ArchiveKind, Limits, Tally, unpack
from tests.files.staged_bytes import in_pieces

CSV = b"url,title\r\n" + b"".join(b'https://x.y/%d,"title, %d"\r\n' % (n, n) for n in range(60))


def _unpacked(body: bytes, *, piece: int = 1 << 16, limits: Limits | None = None) -> bytes:
    return b"".join(unpack(in_pieces(body, piece), limits or Limits()))


def _members(*contents: bytes) -> bytes:
    return b"".join(gzip.compress(content, mtime=0) for content in contents)


class _OneWay(io.RawIOBase):
    """A sink without seek: zipfile then writes sizes behind the data, as a server that streams does."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        return self._sink.write(data)


def _zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, streamed: bool = False) -> bytes:
    landed = io.BytesIO()
    with zipfile.ZipFile(_OneWay(landed) if streamed else landed, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return landed.getvalue()


def _zip64() -> bytes:
    landed = io.BytesIO()
    with (
        zipfile.ZipFile(landed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w", force_zip64=True) as m,
    ):
        m.write(CSV)
    return landed.getvalue()


WHOLE = {
    "gzip": gzip.compress(CSV, mtime=0),
    "gzip with a file name": b"\x1f\x8b\x08\x08" + bytes(6) + b"a.csv\0" + gzip.compress(CSV, mtime=0)[10:],
    "gzip members": _members(CSV[:100], b"", CSV[100:101], CSV[101:]),
    "gzip with zero padding": gzip.compress(CSV, mtime=0) + bytes(600),
    "gzip stored": gzip.compress(CSV, 0, mtime=0),
    "zip deflated": _zip(("x.csv", CSV)),
    "zip stored": _zip(("x.csv", CSV), method=zipfile.ZIP_STORED),
    "zip streamed": _zip(("x.csv", CSV), streamed=True),
    "zip stored and streamed": _zip(("x.csv", CSV), method=zipfile.ZIP_STORED, streamed=True),
    "zip64": _zip64(),
    "zip from a Mac": _zip(("d/", b""), ("d/x.csv", CSV), ("__MACOSX/d/._x.csv", b"\0\5")),
    "zip with a hostile name": _zip(("../../etc/passwd", CSV)),
    "plain": CSV,
}
ARCHIVES = {name: body for name, body in WHOLE.items() if name != "plain"}


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 16])
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_archive_gives_its_bytes(name: str, piece: int) -> None:
    """Whatever its kind, and however the connection cuts it."""
    assert _unpacked(WHOLE[name], piece=piece) == CSV


@pytest.mark.parametrize(
    ("name", "kind", "members"),
    [
        ("gzip members", ArchiveKind.GZIP, 4),
        ("gzip with zero padding", ArchiveKind.GZIP, 1),
        ("zip from a Mac", ArchiveKind.ZIP, 3),
        ("plain", ArchiveKind.PLAIN, 1),
    ],
)
def test_the_facts_of_an_archive_are_counted(name: str, kind: ArchiveKind, members: int) -> None:
    """Its kind, its members, and the bytes as they came."""
    tally = Tally()
    list(unpack(in_pieces(WHOLE[name], 100), Limits(), tally=tally))
    facts = tally.facts()
    assert (facts.kind, facts.members, facts.bytes) == (kind, members, len(WHOLE[name]))


@pytest.mark.parametrize("name", ARCHIVES)
def test_any_prefix_of_an_archive_is_refused(name: str) -> None:
    """But for one that ends between two gzip members, or in the padding: only a count of rows can tell."""
    body = ARCHIVES[name]
    whole_prefixes = {
        "gzip members": {
            len(_members(CSV[:100], b"", CSV[100:101])),
            len(_members(CSV[:100], b"")),
            len(_members(CSV[:100])),
        },
        "gzip with zero padding": set(range(len(body) - 600, len(body))),
    }
    # Up to 3 bytes show no magic yet: such a file is refused as a CSV.
    for length in range(4, len(body)):
        if length not in whole_prefixes.get(name, ()):
            with pytest.raises((DownloadDamaged, FileRefused)):
                _unpacked(body[:length])


@pytest.mark.parametrize("name", ARCHIVES)
def test_any_flipped_byte_is_refused_or_changes_nothing(name: str) -> None:
    """The magic aside, which decides what the file is; a changed name or date is no damage."""
    body = ARCHIVES[name]
    flip = random.Random(1)
    for place in range(2 if body.startswith(b"\x1f") else 4, len(body)):
        changed = body[:place] + bytes([body[place] ^ (1 << flip.randrange(8))]) + body[place + 1 :]
        try:
            unpacked = _unpacked(changed)
        except (DownloadDamaged, FileRefused):
            continue
        assert unpacked == CSV


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (gzip.compress(CSV)[:-8], "middle"),
        (gzip.compress(CSV)[:-1], "middle"),
        (gzip.compress(CSV) + b"<html></html>", "damaged"),
        (gzip.compress(CSV)[:-8] + bytes(8), "damaged"),
        (_zip(("x.csv", CSV))[:-1], "cut or damaged"),
    ],
)
def test_a_damaged_transfer_is_called_so(body: bytes, said: str) -> None:
    """It is worth fetching again."""
    with pytest.raises(DownloadDamaged, match=said):
        _unpacked(body)


def _encrypted() -> bytes:
    body = bytearray(_zip(("x.csv", CSV)))
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    return bytes(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (_zip(("a.csv", CSV), ("b.csv", CSV)), "holds 2 files"),
        (_zip(("a.csv", CSV), ("readme.txt", b"hello")), "holds 2 files"),
        (_zip(("a/", b"")), "holds 0 files"),
        (_zip(), "holds 0 files"),
        (_encrypted(), "encrypted"),
        (_zip(("a.csv", CSV), method=zipfile.ZIP_BZIP2), "compressed in a way"),
        (_zip(("a.csv", gzip.compress(CSV))), "another archive"),
        (_zip(("a.zip", _zip(("a.csv", CSV))), method=zipfile.ZIP_STORED), "another archive"),
        (gzip.compress(gzip.compress(CSV)), "another archive"),
    ],
)
def test_a_whole_archive_that_is_not_one_csv_is_refused(body: bytes, said: str) -> None:
    """It is not worth fetching again."""
    with pytest.raises(FileRefused, match=said):
        _unpacked(body)


def test_a_zip_cut_behind_a_zip_that_it_stores_is_refused() -> None:
    """The inner archive's directory would pass for that of the whole."""
    inner = _zip(("a.csv", CSV))
    outer = _zip(("a.zip", inner), method=zipfile.ZIP_STORED)
    with pytest.raises((DownloadDamaged, FileRefused)):
        _unpacked(outer[: outer.index(inner) + len(inner)])


def _zeros(size: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(size >> 20):
        yield packer.compress(bytes(1 << 20))
    yield packer.flush()


def _gzip_bomb() -> bytes:
    return b"".join(_zeros(128 << 20))


def _zip_bomb() -> bytes:
    return _zip(("a.csv", bytes(128 << 20)))


@pytest.mark.parametrize("bomb", [_gzip_bomb, _zip_bomb])
def test_a_bomb_is_stopped_with_little_memory(bomb: Callable[[], bytes]) -> None:
    """Never more than a block at once."""
    body = bomb()
    tracemalloc.start()
    with pytest.raises(FileRefused, match="200 times"):
        sum(map(len, unpack(iter([body]), Limits())))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_more_bytes_than_the_limit_are_refused() -> None:
    """Whatever the ratio, and for plain files too."""
    limits = Limits(max_bytes=1000)
    for body in (WHOLE["gzip"], WHOLE["zip stored"], CSV):
        with pytest.raises(FileRefused, match="1,000 bytes"):
            _unpacked(body, limits=limits)


def test_random_bytes_after_the_magic_are_refused() -> None:
    """No input may bring another exception than ours."""
    for seed in range(200):
        noise = random.Random(seed).randbytes(200)
        for magic in (b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"PK\x05\x06"):
            with pytest.raises((DownloadDamaged, FileRefused)):
                _unpacked(magic + noise)


def test_a_large_stream_is_not_held_in_memory() -> None:
    """32 MiB that do not compress pass through in less than 4."""
    body = gzip.compress(os.urandom(1 << 20) * 32, 1)
    tracemalloc.start()
    assert sum(len(block) for block in unpack(in_pieces(body, 1 << 16), Limits())) == 32 << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
