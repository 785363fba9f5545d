"""A static file server on loopback with ranges and sendfile: `python -m tests.bench.server FOLDER` prints its port."""

import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """Answer with a file, from the byte that a `Range: bytes=N-` asks for."""
        path = self.folder / Path(self.path).name
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", f'"{size}"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            self.connection.sendfile(file, start)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing: stderr is the bench's."""


if __name__ == "__main__":
    _Files.folder = Path(sys.argv[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
