"""From rows to the bytes of an export file (botify-api.md §4.6, §4.7), chunk by chunk."""

import csv
import gzip
import io
import itertools
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from deployments.sandbox.behaviour import Behaviour, BooleanText, Compression, LineEnding, ListText, Printed
from deployments.sandbox.columns import Column
from deployments.sandbox.fields import Value

ROWS_A_CHUNK = 1_000


class FormatterConfig(BaseModel):
    """What the csv formatter is asked for (botify-api.md §4.6)."""

    model_config = ConfigDict(frozen=True)

    delimiter: str
    print_delimiter: bool
    print_header: bool
    header_format: Literal["verbose", "slug", "collection_slug"]


def csv_chunks(
    columns: Sequence[Column], rows: Iterator[tuple[Value, ...]], config: FormatterConfig, behaviour: Behaviour
) -> Iterator[bytes]:
    """The text of the file in UTF-8, in pieces."""
    ending = "\r\n" if behaviour.line_ending is LineEnding.CRLF else "\n"
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=config.delimiter, lineterminator=ending)
    if behaviour.byte_order_mark:
        text.write("\ufeff")
    if _is_printed(behaviour.separator_line, config.print_delimiter):
        text.write(f"sep={config.delimiter}{ending}")
    if _is_printed(behaviour.header, config.print_header):
        header_format = "verbose" if behaviour.header_format_ignored else config.header_format
        writer.writerow(getattr(column, header_format) for column in columns)
    while batch := list(itertools.islice(rows, ROWS_A_CHUNK)):
        writer.writerows([v if type(v) in (str, int) else _cell(v, behaviour) for v in row] for row in batch)
        yield _emptied(text)
    yield _emptied(text)


def _is_printed(printed: Printed, asked: bool) -> bool:
    return asked if printed is Printed.AS_ASKED else printed is Printed.ALWAYS


def _emptied(text: io.StringIO) -> bytes:
    content = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return content


def _cell(value: Value, behaviour: Behaviour) -> str | int | float:
    if value is None:
        return behaviour.null_text
    if isinstance(value, bool):
        return str(value).lower() if behaviour.boolean_text is BooleanText.LOWER else str(value)
    return _list_text(value, behaviour.list_text, behaviour.null_text) if isinstance(value, tuple) else value


@lru_cache(maxsize=1000)
def _list_text(items: tuple[str, ...], list_text: ListText, null_text: str) -> str:
    match list_text:
        case ListText.JSON:
            return json.dumps(items, ensure_ascii=False)
        case ListText.JOINED:
            return " | ".join(items)
        case ListText.FIRST:
            return items[0] if items else null_text


class Packer(Protocol):
    """Takes the text of a file in pieces and gives the packed file."""

    def write(self, chunk: bytes) -> None: ...

    def finish(self) -> bytes: ...


def packer(compression: Compression, member: str) -> Packer:
    """What packs a file; `member` is its name inside a zip."""
    match compression:
        case Compression.ZIP_STORED | Compression.ZIP_STREAMED:
            return _Zip(member, streamed=compression is Compression.ZIP_STREAMED)
        case Compression.GZIP_MEMBERS:
            return _GzipMembers()
        case Compression.PLAIN:
            return _Plain()
        case _:
            return _Gzip()


class _Plain:
    def __init__(self) -> None:
        self._packed = bytearray()

    def write(self, chunk: bytes) -> None:
        self._packed += chunk

    def finish(self) -> bytes:
        return bytes(self._packed)


class _Gzip(_Plain):
    def __init__(self) -> None:
        super().__init__()
        self._compressor = zlib.compressobj(level=1, wbits=31)

    def write(self, chunk: bytes) -> None:
        self._packed += self._compressor.compress(chunk)

    def finish(self) -> bytes:
        return bytes(self._packed + self._compressor.flush())


class _GzipMembers(_Plain):
    def write(self, chunk: bytes) -> None:
        self._packed += gzip.compress(chunk, compresslevel=1, mtime=0)


class _Zip:
    """A zip of one member with the date and the mode of Botify's (botify-api.md §4.7)."""

    def __init__(self, member: str, *, streamed: bool) -> None:
        self._packed = _OneWay() if streamed else io.BytesIO()
        self._archive = zipfile.ZipFile(self._packed, "w")
        about = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
        about.compress_type = zipfile.ZIP_DEFLATED if streamed else zipfile.ZIP_STORED
        about.external_attr = 0o600 << 16
        self._member = self._archive.open(about, "w")

    def write(self, chunk: bytes) -> None:
        self._member.write(chunk)

    def finish(self) -> bytes:
        self._member.close()
        self._archive.close()
        return self._packed.getvalue()


class _OneWay(io.BytesIO):
    """A file that knows no positions, as a socket, so that zipfile writes data descriptors."""

    def tell(self) -> int:
        raise io.UnsupportedOperation
