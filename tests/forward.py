"""The time of an event loop, put forward: what waits for a time need not be waited for, and nobody else is hurried.

A wait that is made short for a test is short for those, too, who do nothing wrong on a machine that stands still for a
moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class _Ahead:
    """What a loop takes for its clock."""

    def __init__(self, usual: Callable[[], float]) -> None:
        self.usual = usual
        self.by_s = 0.0

    def __call__(self) -> float:
        return self.usual() + self.by_s


def put_forward(seconds: float) -> None:
    """Let so much time of the running loop (not uvloop's) go by at once: whatever would ring meanwhile rings next."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, asyncio.BaseEventLoop)
    if not isinstance(loop.time, _Ahead):
        loop.time = _Ahead(loop.time)  # type: ignore[method-assign]
    assert isinstance(loop.time, _Ahead)
    loop.time.by_s += seconds


async def turns(count: int = 30) -> None:
    """Let all others do what they can do by now."""
    for _ in range(count):
        await asyncio.sleep(0)
