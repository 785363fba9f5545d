"""From the bytes of a download to a CSV and a Parquet file in one pass.

    download ─▶ unpack, normalise the header, write the CSV ─▶ parse, cast ─▶ write the Parquet file
    (thread)    (thread)                                       (thread)       (the caller's thread)

Memory does not grow with the file. A second pass, over the CSV on the disk, is made only if a value does not fit its
column's type, if a record is longer than a block, or if the URLs do not ascend.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa

from tasks.exports.columns import Column, parquet_names
from tasks.exports.errors import DataFolderUnusable, FileRefused
from tasks.exports.wanted import CSV, PARQUET, OutputFormat
from tasks.files.archive import Limits, Tally, unpack
from tasks.files.duplicates import UrlOrder, first_duplicate
from tasks.files.heading import Heading, read_heading
from tasks.files.memory import prefer_jemalloc
from tasks.files.parquet import ParquetFile, row_groups
from tasks.files.parsing import BLOCK_SIZES, RecordTooLong, text_batches
from tasks.files.relay import Relay
from tasks.files.staged import HashedFile, KeptAsText, Staged, StagedFile
from tasks.files.typed import TypedColumns

__all__ = ["KeptAsText", "Limits", "OutputFormat", "Staged", "StagedFile", "stage"]


def stage(
    chunks: Iterator[bytes],
    columns: Sequence[Column],
    folder: Path,
    *,
    limits: Limits,
    output: OutputFormat = OutputFormat.BOTH,
    metadata: Mapping[str, str] | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Staged:
    """Write `pages.csv` and `pages.parquet` into `folder`, both whole and on the disk when this returns.

    `chunks` are the bytes of the archive, taken in a thread of its own; `on_rows` hears how many rows are done.
    On an error what was written stays in the folder as evidence: the caller publishes the folder or does not.

    Raises DownloadDamaged if the bytes are not what was sent, FileRefused if they are but are not one table of
    `columns`, DataFolderUnusable if the disk does not take them, and whatever `chunks` raises.
    """
    prefer_jemalloc()
    staging = _Staging(columns, folder, output, metadata or {}, on_rows or (lambda rows: None))
    try:
        return staging.run(chunks, limits)
    except OSError as error:
        raise DataFolderUnusable(f"{folder} cannot be written to: {error.strerror or error}.") from error


class _Landing:
    """Writes a CSV with its header normalised, and hands its data on; at their end the CSV is on the disk."""

    def __init__(self, csv: HashedFile, columns: Sequence[Column]) -> None:
        self._csv = csv
        self._columns = columns
        self.heading = Heading(b"", b"", ())
        self.staged: StagedFile | None = None

    def land(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        taken: list[bytes] = []
        try:
            self.heading = read_heading(_noting(blocks, taken), self._columns)
        except FileRefused:
            for block in chain(taken, blocks):  # evidence; and damage shows here, which would be the better explanation
                self._csv.write(block)
            raise
        self._csv.write(self.heading.header)
        for block in chain((self.heading.data,), blocks):
            self._csv.write(block)
            yield block
        self.staged = self._csv.finish(0)  # waits for the disk while the last blocks are still parsed


def _noting(blocks: Iterator[bytes], taken: list[bytes]) -> Iterator[bytes]:
    for block in blocks:
        taken.append(block)
        yield block


class _Staging:
    """What is known of the file after the passes made so far."""

    def __init__(
        self,
        columns: Sequence[Column],
        folder: Path,
        output: OutputFormat,
        metadata: Mapping[str, str],
        on_rows: Callable[[int], None],
    ) -> None:
        self._columns = columns
        self._folder = folder
        self._output = output
        self._metadata = metadata
        self._on_rows = on_rows
        self._block_sizes = iter(BLOCK_SIZES)
        self._block_size = next(self._block_sizes)
        self._kept_as_text: tuple[KeptAsText, ...] = ()
        self._parquet: StagedFile | None = None
        self._order = UrlOrder()
        self._rows = 0

    def run(self, chunks: Iterator[bytes], limits: Limits) -> Staged:
        tally = Tally()
        with HashedFile(self._folder / CSV) as csv, Relay() as relay:
            landing = _Landing(csv, self._columns)
            packets = relay.ahead(chunks, 16, "download")
            blocks = relay.ahead(landing.land(unpack(packets, limits, tally=tally, folder=self._folder)), 16, "unpack")
            try:
                done = self._pass(relay, blocks)
            except FileRefused:
                _drain(blocks)  # a damaged archive shows here, and is the better explanation
                raise
            _drain(blocks)
        while not done:
            with Relay() as relay:
                done = self._pass(relay, self._landed(landing.heading))
        duplicate = None if self._order.ascending else first_duplicate(partial(self._urls, landing.heading))
        return Staged(
            csv=self._kept(landing.staged),
            parquet=self._parquet,
            rows=self._rows,
            archive=tally.facts(),
            normalised=landing.heading.normalised,
            kept_as_text=self._kept_as_text,
            duplicate_url=duplicate,
        )

    def _kept(self, csv: StagedFile | None) -> StagedFile | None:
        assert csv, "its blocks were taken to their end"
        if self._output.wants_csv:
            return csv.model_copy(update={"rows": self._rows})
        csv.path.unlink()
        return None

    def _pass(self, relay: Relay, blocks: Iterator[bytes]) -> bool:
        """Parse all rows, and write them if Parquet is wanted; False if it has to be done again."""
        texts = row_groups(text_batches(blocks, parquet_names(self._columns), block_size=self._block_size))
        try:
            if self._output.wants_parquet:
                return self._write(relay, texts)
            _drain(self._counted(relay.ahead(texts, 1, "parse")))
        except RecordTooLong:
            longer = next(self._block_sizes, None)
            if longer is None:
                raise FileRefused(f"The file has a record of more than {self._block_size:,} bytes.") from None
            self._block_size = longer
            return False
        return True

    def _write(self, relay: Relay, texts: Iterator[pa.Table]) -> bool:
        columns = TypedColumns(self._columns, self._kept_as_text)
        groups = relay.ahead(columns.typed(texts), 1, "parse")
        with ParquetFile(self._folder / PARQUET, columns.schema.with_metadata(dict(self._metadata))) as parquet:
            for group in self._counted(groups):
                if columns.all_fit:
                    parquet.write(group)
            self._kept_as_text = columns.kept_as_text
            self._parquet = parquet.finish(self._rows) if columns.all_fit else None
        return columns.all_fit

    def _counted(self, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
        self._order, self._rows = UrlOrder(), 0
        for group in groups:
            yield group
            self._order.see(group.column(0))
            self._rows += group.num_rows
            self._on_rows(self._rows)

    def _landed(self, heading: Heading) -> Iterator[bytes]:
        with (self._folder / CSV).open("rb") as csv:
            csv.seek(len(heading.header))
            while block := csv.read(BLOCK_SIZES[0]):
                yield block

    def _urls(self, heading: Heading) -> Iterator[pa.ChunkedArray]:
        names = parquet_names(self._columns)
        batches = text_batches(self._landed(heading), names, block_size=self._block_size, only=names[:1])
        return (pa.chunked_array([batch.column(0)]) for batch in batches)


def _drain(items: Iterator[object]) -> None:
    for _ in items:
        pass
