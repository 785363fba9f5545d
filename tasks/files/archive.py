"""Unpacking: what kind of archive it is shows in its first bytes, never in its name or a header.

Every checksum and every length is checked, and the memory stays flat whatever the archive claims to hold.
"""

import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import IO

from isal import igzip_lib
from pydantic import BaseModel

from tasks.exports.errors import DownloadDamaged, FileRefused

_BLOCK = 256 * 1024  # isal is twice as fast with blocks of this size as with unbounded ones (data-plane.md §B)
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins a zip without members
_MAGIC_LENGTH = 4
_FREE_OF_RATIO = 64 * 1024 * 1024


class Limits(BaseModel, frozen=True):
    """How much an archive may unfold to: `max_bytes` in all, and `max_ratio` times its own size beyond 64 MiB.

    Real exports unfold to 5 to 8 times their size; deflate can make it 1032 times.
    """

    max_bytes: int = 64 * 1024**3
    max_ratio: int = 200


class ArchiveKind(StrEnum):
    """How the file came."""

    GZIP = "gzip"
    ZIP = "zip"
    PLAIN = "plain"


class ArchiveFacts(BaseModel, frozen=True):
    """What came over the wire: its size in bytes, its SHA-256, and the gzip members or zip entries in it."""

    kind: ArchiveKind
    bytes: int
    sha256: str
    members: int


class Tally:
    """Counts an archive while it is unpacked."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.kind = ArchiveKind.PLAIN
        self.bytes = 0
        self.members = 1

    def count(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks as they come, without empty ones."""
        for chunk in filter(None, chunks):
            self.bytes += len(chunk)
            self._digest.update(chunk)
            yield chunk

    def facts(self) -> ArchiveFacts:
        """What was counted, once the archive has been unpacked to its end."""
        return ArchiveFacts(kind=self.kind, bytes=self.bytes, sha256=self._digest.hexdigest(), members=self.members)


def unpack(
    chunks: Iterator[bytes], limits: Limits, *, tally: Tally | None = None, folder: Path | None = None
) -> Iterator[bytes]:
    """The bytes of the one file in a gzip, zip or plain body; at its end everything has been checked.

    `folder` is where a zip is landed while it is read (nameless; the system's temporary folder by default).

    Raises DownloadDamaged for an empty, cut or altered body, and FileRefused for a whole one that is not one CSV:
    several files, encrypted, an archive in an archive, or unfolding beyond `limits`.
    """
    tally = tally or Tally()
    received = tally.count(chunks)
    start = _at_least(received, _MAGIC_LENGTH)
    if not start:
        raise DownloadDamaged("The download host sent an empty file.")
    received = chain((start,), received)
    if start.startswith(_GZIP_MAGIC):
        tally.kind = ArchiveKind.GZIP
        blocks = _not_packed_again(_gunzip(received, tally))
    elif start.startswith(_ZIP_MAGICS):
        tally.kind = ArchiveKind.ZIP
        blocks = _not_packed_again(_unzip(received, tally, folder))
    else:
        blocks = received
    yield from _within(limits, blocks, tally)


def _at_least(chunks: Iterator[bytes], size: int) -> bytes:
    start = b""
    while len(start) < size and (chunk := next(chunks, b"")):
        start += chunk
    return start


def _not_packed_again(blocks: Iterator[bytes]) -> Iterator[bytes]:
    start = _at_least(blocks, _MAGIC_LENGTH)
    if start.startswith((_GZIP_MAGIC, *_ZIP_MAGICS)):
        raise FileRefused("The archive holds another archive in place of a CSV file.")
    if start:
        yield start
    yield from blocks


def _within(limits: Limits, blocks: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    unpacked = 0
    for block in blocks:
        unpacked += len(block)
        if unpacked > limits.max_bytes:
            raise FileRefused(f"The file unfolds to more than the {limits.max_bytes:,} bytes that are accepted.")
        if unpacked > max(_FREE_OF_RATIO, limits.max_ratio * tally.bytes):
            raise FileRefused(f"The file unfolds to more than {limits.max_ratio} times its size: not an export.")
        yield block


def _gunzip(chunks: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    # Exports written in parallel are many members joined: the end of one is not the end of the file.
    member = None
    tally.members = 0
    for chunk in chunks:
        rest = chunk
        while rest:
            if member is None:
                rest = rest.lstrip(b"\0") if tally.members else rest  # padding after a member is legal
                if not rest:
                    break
                member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
                tally.members += 1
            yield from _inflated(member, rest)
            rest = member.unused_data if member.eof else b""
            member = None if member.eof else member
    if member is not None:
        raise DownloadDamaged("The file ends in the middle of its gzip data.")


def _inflated(member: igzip_lib.IgzipDecompressor, packed: bytes) -> Iterator[bytes]:
    while True:
        try:
            block = member.decompress(packed, _BLOCK)
        except igzip_lib.error as error:  # type: ignore[misc]  # its stub calls the class an instance
            raise DownloadDamaged(f"The gzip data is damaged: {error}.") from error
        if block:
            yield block
        if member.eof or member.needs_input:
            return
        packed = b""


def _unzip(chunks: Iterator[bytes], tally: Tally, folder: Path | None) -> Iterator[bytes]:
    # A zip's directory stands at its end, and a streamed member's sizes stand after it. Zip is the exception (gzip is
    # Botify's default), so it is landed first and read by the standard library: slower by the time of the download,
    # and right for stored, deflated, zip64 and streamed members alike.
    with tempfile.TemporaryFile(dir=folder) as landed:
        for chunk in chunks:
            landed.write(chunk)
        try:
            with zipfile.ZipFile(landed) as archive, archive.open(_only_member(archive, tally)) as member:
                yield from _blocks(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise DownloadDamaged(f"The zip archive is cut or damaged: {error}.") from error


def _blocks(member: IO[bytes]) -> Iterator[bytes]:
    while block := member.read(_BLOCK):
        yield block


def _only_member(archive: zipfile.ZipFile, tally: Tally) -> zipfile.ZipInfo:
    entries = archive.infolist()
    tally.members = len(entries)
    files = [
        entry for entry in entries if not entry.filename.endswith("/") and not entry.filename.startswith("__MACOSX/")
    ]
    if len(files) != 1:
        raise FileRefused(f"The zip archive holds {len(files)} files, not one CSV file.")
    if files[0].flag_bits & 0x1:
        raise FileRefused("The zip archive is encrypted.")
    if files[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileRefused("The zip archive is compressed in a way that is not read here.")
    if min(entry.header_offset for entry in entries) != 0:
        raise DownloadDamaged("The zip archive is cut: its directory belongs to another archive.")
    return files[0]
