"""Several CSV files of the same columns, one after another, as one body."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from upath import UPath

from tasks.exports.errors import FileRefused

_BLOCK: Final = 1 << 20


def joined(files: Sequence[UPath | Path]) -> Iterator[bytes]:
    """Yield the bytes of all files, the header once. Raises FileRefused if they have not the same header, OSError."""
    header: bytes | None = None
    for path in files:
        with path.open("rb") as file:
            line = file.readline()
            found = line.rstrip(b"\r\n")
            ending = line[len(found) :] or b"\n"
            if header is None:
                header = found
                yield found + ending
            elif found != header:
                raise FileRefused(f"{path} has another header than {files[0]}.")
            last = ending
            while block := file.read(_BLOCK):
                last = block
                yield block
            if not last.endswith(b"\n"):  # a file need not end its last line, but the next one begins a line
                yield ending
