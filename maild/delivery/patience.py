"""One timer for all the waits on one connection.

`asyncio.timeout` makes a timer for each wait; on a connection that carries message after message these cost as much as
reading the replies. Here the timer rings at the earliest end it was ever set to, and then looks when the present wait
ends.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType


class Patience:
    """Calls `on_end`, once, when a wait takes longer than it may. One wait at a time; for one event loop."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._ends_s = math.inf
        self._rings_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.ended = False

    def within(self, seconds: float) -> Patience:
        """Begin a wait: `with patience.within(3): await …`."""
        loop = asyncio.get_running_loop()
        self._ends_s = loop.time() + seconds
        if self._ends_s < self._rings_s:
            self._ring(loop)
        return self

    def __enter__(self) -> None:
        """Wait."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends_s = math.inf

    def close(self) -> None:
        """Stop the timer."""
        self._ends_s = self._rings_s = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_s = self._ends_s
        self._timer = loop.call_at(self._rings_s, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, self._rings_s = None, math.inf
        if self._ends_s <= loop.time():
            self._ends_s, self.ended = math.inf, True
            self._on_end()
        elif self._ends_s < math.inf:
            self._ring(loop)
