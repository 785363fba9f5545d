"""S3 as a process, which loses one request in so many: `python -m tests.cluster.object_store PORT ONE_IN`.

Every other loss is that of the answer alone: what was asked for is done, and nobody is told.
"""

import random
import sys
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any

from werkzeug.serving import make_server

from tests.bucket import Loss, Quiet, Store


class LossyStore(Store):
    """Loses requests by chance, the same ones in every run."""

    def __init__(self, one_in: int) -> None:
        super().__init__()
        self._one_in = one_in
        self._chance = random.Random(20261122)
        self._losses = cycle(Loss)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if self._chance.randrange(self._one_in) == 0:
            self.lose(next(self._losses), environ["REQUEST_METHOD"], environ["PATH_INFO"])
        return super().__call__(environ, start)


def main(port: str, one_in: str) -> None:
    """Serve until killed."""
    server = make_server("127.0.0.1", int(port), LossyStore(int(one_in)), threaded=True, request_handler=Quiet)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
