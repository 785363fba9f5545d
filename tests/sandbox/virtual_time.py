"""An event loop whose time jumps over every wait, so that no test sleeps."""

import asyncio
import selectors


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting it adds the wait to `jumped`."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None:
            self.jumped += max(0.0, timeout)
            timeout = 0
        return super().select(timeout)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 1000 seconds and moves only by waiting."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000 + self._jumping.jumped
