"""CSV bytes to batches of text columns, with pyarrow's streaming reader and what it does not check by itself."""

from collections.abc import Iterator, Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.csv

from tasks.exports.errors import FileRefused

BLOCK_SIZES = (1 << 20, 1 << 24, 1 << 26)
"""Bytes a parser reads at once. A record must not be longer than a block, so there are bigger ones to fall back to."""

_SENTINEL = b"the end"
_UNTERMINATED = "The file ends within a quoted value."


class RecordTooLong(Exception):
    """A record is longer than a block: to be parsed again with bigger ones."""


class _Feed:
    """The blocks of a body as the file that pyarrow reads, followed by a sentinel row.

    Each `read` of the parser is one block, so blocks are filled; and none ends between CR and LF, because pyarrow up
    to 26.0.1 loses the LF of a quoted CRLF that lies across two blocks (apache/arrow #51368).
    """

    def __init__(self, blocks: Iterator[bytes], sentinel: bytes) -> None:
        self._blocks = chain(blocks, (sentinel,))
        self._rest = b""
        self.closed = False

    def read(self, size: int) -> bytes:
        """At most `size` bytes, and at least half of that until the end."""
        pieces, have = [self._rest], len(self._rest)
        while have < size * 3 // 4 and not self.closed and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            have += len(block)
        filled = b"".join(filter(None, pieces))  # of one piece: itself, not a copy; so are whole slices
        end = min(size, len(filled))
        end -= filled[end - 1 : end] == b"\r"
        self._rest = filled[end:]
        return filled[:end]

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


class _Refusals:
    """Keeps what is wrong with a row; pyarrow's own message quotes the row, however long it is."""

    def __init__(self, sentinel: bytes) -> None:
        self._sentinel = sentinel.decode()
        self.sentence = ""

    def __call__(self, row: pyarrow.csv.InvalidRow) -> str:
        if (row.text + "\n").endswith(self._sentinel):
            self.sentence = _UNTERMINATED
        else:
            self.sentence = f"Row {row.number} has {row.actual_columns} columns, not {row.expected_columns}."
        return "error"


def text_batches(
    blocks: Iterator[bytes], names: Sequence[str], *, block_size: int = BLOCK_SIZES[0], only: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """The records of a CSV body without header as batches of string columns called `names` (or those in `only`).

    An empty cell is null, a quoted empty one is "". Blank lines are no records.

    Raises FileRefused for a row of another width, an unterminated quote and what is not UTF-8, RecordTooLong if a
    record does not fit into `block_size` bytes, and whatever `blocks` raises.
    """
    # pyarrow takes an unterminated quote at the end for the end of the value; then it takes the sentinel for a part of
    # the value too. So the last row is the sentinel exactly if the last quote was closed.
    sentinel = b"\n" + _SENTINEL + b"," * (len(names) - 1) + b"\n"
    feed, refusals = _Feed(blocks, sentinel), _Refusals(sentinel)
    try:
        yield from _without_sentinel(_read(feed, refusals, names, block_size, only))
    except pa.ArrowInvalid as error:
        if "straddl" in str(error):
            raise RecordTooLong from error
        if "UTF8" in str(error):
            raise FileRefused("The file is not UTF-8 text.") from None
        raise FileRefused(refusals.sentence or f"The file is not a CSV file: {error}.") from None
    finally:
        feed.close()


def _read(
    feed: _Feed, refusals: _Refusals, names: Sequence[str], block_size: int, only: Sequence[str]
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        feed,
        pyarrow.csv.ReadOptions(block_size=block_size, use_threads=False, column_names=names),
        pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refusals),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=only,
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        ),
    )


def _without_sentinel(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    last = next(batches)
    for batch in batches:
        if batch.num_rows:
            yield last
            last = batch
    if last.column(0)[-1].as_py() != _SENTINEL.decode():
        raise FileRefused(_UNTERMINATED)
    yield last.slice(0, last.num_rows - 1)
