"""What waits for a worker, and the pace at which it leaves: a call and a commit cost as much for one as for many.

Under load a batch that is not full waits for company: the next leaves a tenth of a second after the last one has left,
or when it is full. Who comes alone never waits, and no sender ever does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from maild.router.reading import Order

# Measured: fewer batches take less of the processor in every part of the way. The index collects for twice as long, and
# a person notices neither.
APART_S = 0.1
BATCH = 48  # what is to be accepted waits for the commit of all of them
BATCH_BYTES = 2_000_000


class Ordered(Protocol):
    """Something to read, of a size."""

    @property
    def order(self) -> Order: ...


T = TypeVar("T", bound=Ordered)


class Gathering(Generic[T]):
    """Messages that wait to be read, first come, first served; they leave in batches. It belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()
        self._octets = 0
        self._filled = asyncio.Event()
        self._next_s = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, task: T) -> None:
        """Have one more wait."""
        self._waiting.append(task)
        self._octets += task.order.size
        if self._full:
            self._filled.set()

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= BATCH or self._octets >= BATCH_BYTES

    async def keep_pace(self) -> None:
        """Wait until the next batch may leave, and note that it does."""
        clock = asyncio.get_running_loop().time
        missing_s = self._next_s - clock()
        if missing_s > 0 and not self._full:
            self._filled.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._filled.wait(), missing_s)
        self._next_s = clock() + APART_S

    def hurry(self) -> None:
        """Have the batch leave that waits for company."""
        self._filled.set()

    def take(self) -> list[T]:
        """Return the next batch, of one message at least; there must be one."""
        batch = [self._waiting.popleft()]
        octets = batch[0].order.size
        while self._waiting and len(batch) < BATCH and octets + self._waiting[0].order.size <= BATCH_BYTES:
            batch.append(self._waiting.popleft())
            octets += batch[-1].order.size
        self._octets -= octets
        return batch
