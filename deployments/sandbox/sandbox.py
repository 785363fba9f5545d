"""The sandbox as tests and the command line hold it."""

from deployments.sandbox.state import State
from deployments.sandbox.transport import InProcessTransport


class Sandbox(State):
    """A stand-in for Botify, without sockets until it is served."""

    def transport(self) -> InProcessTransport:
        """Both hosts in process, for `httpx.AsyncClient(transport=...)`."""
        return InProcessTransport(self)
