"""Letters that come together go on together: into one commit, and not the first of them alone.

Peers whose replies went out with one commit send their next letters all at once. To look into one takes a while, and
the writer is quick to begin: it would commit the first while the others are looked into, and these would wait for that
commit and then for their own.

Promises: who comes alone waits for no clock, only until the event loop has looked round; who comes in a crowd waits for
those that have arrived already, and ten milliseconds at most, which is about a commit.
"""

from __future__ import annotations

import asyncio

_MOST_S = 0.01


class Company:
    """Those that are ready to go on. It belongs to one event loop."""

    def __init__(self) -> None:
        self._ready: list[asyncio.Future[None]] = []
        self._until_s = 0.0

    async def complete(self) -> None:
        """Return when a turn of the event loop has brought nobody else."""
        loop = asyncio.get_running_loop()
        if not self._ready:
            self._until_s = loop.time() + _MOST_S
            loop.call_soon(self._look, loop, 0)
        ready: asyncio.Future[None] = loop.create_future()
        self._ready.append(ready)
        await ready

    def _look(self, loop: asyncio.AbstractEventLoop, known: int) -> None:
        count = len(self._ready)
        if count != known and loop.time() < self._until_s:
            loop.call_soon(self._look, loop, count)
            return
        leaving, self._ready = self._ready, []
        for each in leaving:
            if not each.done():  # who waited may have given up
                each.set_result(None)
