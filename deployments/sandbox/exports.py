"""The export job's payload, and the file it makes (botify-api.md §4)."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from deployments.sandbox.behaviour import Behaviour, Compression, OverLimit
from deployments.sandbox.bql import Query, Row
from deployments.sandbox.crawl import Crawl
from deployments.sandbox.formatting import FormatterConfig, csv_chunks, packer
from deployments.sandbox.refusals import Code, RefusalError


class ExtraConfig(BaseModel):
    """Both spellings of the packing (botify-api.md §4.7)."""

    model_config = ConfigDict(frozen=True)

    compression: Literal["gzip", "zip"]
    filetype: str | None = None


class ExportPayload(BaseModel):
    """A payload with its defaults filled in (botify-api.md §4.1)."""

    model_config = ConfigDict(frozen=True)

    username: str
    project: str
    export_size: PositiveInt
    formatter: Literal["csv"]
    connector: Literal["direct_download"]
    query: dict[str, object]
    formatter_config: FormatterConfig
    extra_config: ExtraConfig
    export_job_name: str | None
    sort_url_id: bool


def filled_in(sent: Mapping[str, object], behaviour: Behaviour) -> dict[str, object]:
    """What was sent, with the defaults of botify-api.md §4.3, or those of the documents (§8.1)."""
    printed = behaviour.docs_csv_defaults
    formatter_config = {"delimiter": ",", "print_header": printed, "print_delimiter": printed}
    formatter_config["header_format"] = "verbose"
    return {
        "export_job_name": None,
        "sort_url_id": False,
        **sent,
        "formatter_config": formatter_config | _part(sent, "formatter_config"),
        "extra_config": {"compression": "gzip"} | _part(sent, "extra_config"),
    }


def _part(sent: Mapping[str, object], key: str) -> dict[str, object]:
    part = sent.get(key) or {}
    if not isinstance(part, dict):
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, f"{key} is an object")
    return part


def read_payload(filled: Mapping[str, object], behaviour: Behaviour) -> ExportPayload:
    """Check a payload. Raises RefusalError."""
    unknown = set(filled) - set(ExportPayload.model_fields)
    if unknown and behaviour.strict_payload:
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, f"unknown: {', '.join(sorted(unknown))}")
    try:
        payload = ExportPayload.model_validate(filled)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, f"{place}: {first['msg']}") from error
    if payload.export_size > behaviour.export_limit and behaviour.over_limit is OverLimit.REFUSE:
        raise RefusalError(Code.BADLY_FORMATTED_REQUEST, f"export_size is above {behaviour.export_limit}")
    return payload


def in_jsonb_order(value: object) -> object:
    """Nested objects with their keys as PostgreSQL's jsonb keeps them: by length, then bytes (botify-api.md §4.3)."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: in_jsonb_order(value[key]) for key in keys}
    return [in_jsonb_order(item) for item in value] if isinstance(value, list) else value


class Export:
    """The rows and the file of one job; both are made on demand, the file once."""

    def __init__(self, payload: ExportPayload, query: Query, crawl: Crawl, behaviour: Behaviour) -> None:
        self._payload = payload
        self._query = query
        self._crawl = crawl
        self._behaviour = behaviour
        self._row_count: int | None = None
        self._file: bytes | None = None

    @property
    def row_count(self) -> int:
        """Rows in the file: at most `export_size`, cut silently (botify-api.md §7.2)."""
        if self._row_count is None:
            self._row_count = sum(1 for _ in self._rows())
        return self._row_count

    @property
    def suffix(self) -> str:
        """How the download URL ends: by what was asked for, not by what the file is."""
        return "zip" if self._asked() is Compression.ZIP_STREAMED else "gz"

    async def file(self) -> bytes:
        """The packed file. Other requests get their turn between the chunks."""
        if self._file is None:
            chosen = self._behaviour.compression
            packing = packer(self._asked() if chosen is Compression.AS_ASKED else chosen, "export.csv")
            config = self._payload.formatter_config
            for chunk in csv_chunks(self._query.columns, self._counted_rows(), config, self._behaviour):
                packing.write(chunk)
                await asyncio.sleep(0)
            self._file = packing.finish()
        return self._file

    def _asked(self) -> Compression:
        extra = self._payload.extra_config
        by_filetype = self._behaviour.filetype_works and extra.filetype == "zip"
        return Compression.ZIP_STREAMED if extra.compression == "zip" or by_filetype else Compression.GZIP

    def _counted_rows(self) -> Iterator[Row]:
        count = 0
        for row in self._rows():
            count += 1
            yield row
        self._row_count = count

    def _rows(self) -> Iterator[Row]:
        limit = min(self._payload.export_size, self._behaviour.export_limit)
        offset = self._behaviour.export_rows_offset
        counted = itertools.islice(self._query.rows(self._crawl), limit)
        if offset < 0:
            total = sum(1 for _ in itertools.islice(self._query.rows(self._crawl), limit))
            return itertools.islice(counted, max(0, total + offset))
        return self._with_late_rows(counted, offset)

    def _with_late_rows(self, rows: Iterator[Row], late: int) -> Iterator[Row]:
        last: Row | None = None
        for last in rows:
            yield last
        for number in range(1, late + 1 if last else 1):
            cells = zip(self._query.columns, last or (), strict=True)
            yield tuple(f"{value}?late={number}" if column.is_url else value for column, value in cells)
