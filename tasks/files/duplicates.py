"""Whether a URL stands in two rows, found in bounded memory whatever the order of the rows."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Hashes = npt.NDArray[np.int64]


class UrlOrder:
    """Watches URLs go by. While they ascend none can come twice, and nothing needs to be remembered."""

    def __init__(self) -> None:
        self._last = pa.nulls(0, pa.string())  # pa.array() would import pandas: 0.1 s and 47 MB
        self.ascending = True

    def see(self, urls: pa.ChunkedArray) -> None:
        """The next URLs, in the order of the rows."""
        if self.ascending:
            seen = pa.chunked_array([self._last, *urls.chunks])
            ascending = pc.less(seen.slice(0, max(0, len(seen) - 1)), seen.slice(1))
            self.ascending = pc.all(ascending, skip_nulls=False, min_count=0).as_py() is True
            self._last = seen.slice(max(0, len(seen) - 1)).combine_chunks()


def first_duplicate(read_urls: Callable[[], Iterable[pa.ChunkedArray]]) -> str | None:
    """The first URL that an earlier row has already, or None. `read_urls` starts reading from the first row.

    Rows are compared by a 64-bit hash, and those that agree are read again: 16 bytes a row, 24 if there are duplicates.
    Empty URLs are not compared.
    """
    hashes = np.concatenate([np.empty(0, np.int64), *(_hashes(urls.drop_null()) for urls in read_urls())])
    while (shared := _first_repeated(hashes)) is not None:
        seen: set[str] = set()
        for urls in read_urls():
            present = urls.drop_null()
            for url in present.filter(pa.array(_hashes(present) == shared)).to_pylist():
                if url in seen:
                    return str(url)
                seen.add(url)
        hashes = hashes[hashes != shared]  # two URLs with one hash: once in a thousand years
    return None


def _hashes(urls: pa.ChunkedArray) -> _Hashes:
    return np.fromiter(map(hash, urls.to_pylist()), np.int64, len(urls))


def _first_repeated(hashes: _Hashes) -> np.int64 | None:
    ascending = np.sort(hashes)
    if not (ascending[1:] == ascending[:-1]).any():
        return None
    order = np.argsort(hashes, kind="stable")
    repeats = order[1:][hashes[order[1:]] == hashes[order[:-1]]]
    first: np.int64 = hashes[repeats.min()]
    return first
