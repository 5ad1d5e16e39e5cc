"""What must live as long as the daemon: the first part that ends too early ends the whole, and the log says which.

A daemon without its writer would let everybody wait, one without its router would accept mail that nobody sees, one
without its index would find nothing new; each of them looks alive. Ended with a code that is not 0, it is started anew
(systemd), and takes up what was accepted.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog

from maild.errors import TemporaryError

# So long the rest of the daemon has to finish what is in hand. Then it ends, finished or not: whatever it acknowledged
# is stored, as at a kill.
LAST_S = 60.0
_log = structlog.get_logger()


class PartEndedError(TemporaryError):
    """A part of the daemon has ended though nobody asked it to; it is to be started anew."""


class Part(Protocol):
    """Works until it is cancelled."""

    async def run(self) -> None: ...


class Living:
    """Watches parts, from the event loop that it is made in. `exit_now` ends the process without further ado."""

    def __init__(self, *, last_s: float = LAST_S, exit_now: Callable[[int], object] = os._exit) -> None:
        self._loop = asyncio.get_running_loop()
        self._last_s = last_s
        self._exit_now = exit_now
        self._ending = False
        self._over = asyncio.Event()
        self._failed = ""

    def task(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run what is never to end before `end`."""
        running = asyncio.create_task(work, name=name)
        self.watch(running)
        return running

    def watch(self, running: asyncio.Task[None]) -> None:
        """Watch a task that runs already; its name is that of the part."""
        running.add_done_callback(self._task_ended)

    def thread(self, name: str) -> Callable[[BaseException], None]:
        """Return whom a thread is to tell that it ends of a fault."""

        def tell(error: BaseException) -> None:
            self._loop.call_soon_threadsafe(self._ended, name, error)

        return tell

    def end(self) -> None:
        """Say that the daemon ends: from now on every part may."""
        self._ending = True
        self._over.set()

    async def until_over(self) -> None:
        """Wait until `end`. Raises PartEndedError when a part was the first to end."""
        await self._over.wait()
        if self._failed:
            raise PartEndedError(f"{self._failed} has ended of a fault; maild stops, to be started anew")

    def _task_ended(self, running: asyncio.Task[None]) -> None:
        error = None if running.cancelled() else running.exception()
        self._ended(running.get_name(), error)

    def _ended(self, name: str, error: BaseException | None) -> None:
        if self._ending:
            if error is not None:
                _log.warning("daemon.unfinished", part=name, error=type(error).__name__)
            return
        _log.error("daemon.failed", part=name, error="" if error is None else type(error).__name__)
        self._failed = name
        last = threading.Timer(self._last_s, self._exit_now, (os.EX_TEMPFAIL,))
        last.daemon = True
        last.start()
        self.end()
