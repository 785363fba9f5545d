"""Which file a download is of and how far it got: what HTTP needs to go on in the middle (RFC 9110 §13.1.5, §14)."""

import re
from dataclasses import dataclass

import httpx

from tasks.exports.errors import DownloadDamaged

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+|\*)")


@dataclass
class Progress:
    """Bytes received, of how many if the host says so, and the validators of the file they are of."""

    received: int = 0
    total: int | None = None
    strong_etag: str = ""
    last_modified: str = ""

    def request_headers(self) -> dict[str, str]:
        """Ask for the rest, if the file is still the same. Raises DownloadDamaged if that cannot be asked."""
        # The bytes as they lie there: a host that compresses on the way has no length and no ranges to offer.
        headers = {"Accept-Encoding": "identity"}
        if self.received:
            validator = self.strong_etag or self.last_modified
            if not validator:
                raise DownloadDamaged("The download was cut, and its host offers no way to go on with the same file.")
            headers |= {"Range": f"bytes={self.received}-", "If-Range": validator}
        return headers

    def skip(self, response: httpx.Response) -> int:
        """How many bytes of this 200 or 206 answer are known already. Raises DownloadDamaged if it is another file."""
        etag = response.headers.get("ETag", "")
        offered = Progress(
            total=_length(response),
            strong_etag="" if etag.startswith("W/") else etag,
            last_modified=response.headers.get("Last-Modified", ""),
        )
        if self.received and not self._same_as(offered, resumed=response.status_code == httpx.codes.PARTIAL_CONTENT):
            raise DownloadDamaged("The file changed on the download host while it was fetched.")
        self.total = self.total if offered.total is None else offered.total
        self.strong_etag = self.strong_etag or offered.strong_etag
        self.last_modified = self.last_modified or offered.last_modified
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            if _range_start(response) != self.received:
                raise DownloadDamaged("The download host sent another part of the file than the one asked for.")
            return 0
        return self.received

    def _same_as(self, offered: "Progress", *, resumed: bool) -> bool:
        """`resumed`: the host has compared the validator itself, and may leave it out."""
        if None not in (self.total, offered.total) and self.total != offered.total:
            return False
        if self.strong_etag:
            return offered.strong_etag == self.strong_etag or (resumed and not offered.strong_etag)
        return offered.last_modified == self.last_modified or (resumed and not offered.last_modified)


def ends_at(response: httpx.Response) -> int | None:
    """The length of the file by a 416 answer, which a host gives when nothing is left."""
    total = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    return int(total[1]) if total else None


def _length(response: httpx.Response) -> int | None:
    """The length of the whole file, if the answer tells."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        content_range = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return int(content_range["total"]) if content_range and content_range["total"] != "*" else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _range_start(response: httpx.Response) -> int | None:
    content_range = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(content_range["start"]) if content_range else None
