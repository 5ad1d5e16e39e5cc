"""The pace of batches: a call of a worker and a commit cost as much for one message as for many.

Under load a batch that is not full waits for company: the next leaves a tenth of a second after the last one has left.
Who comes alone never waits, and no sender ever does.
"""

from __future__ import annotations

import asyncio

# Measured: what a batch costs beside its messages, in its worker, its commit and the caches that it finds cold, is
# some two milliseconds of the processor. The index collects for twice as long, and a person notices neither.
APART_S = 0.1
BATCH_BYTES = 4_000_000  # of what comes in that time; much more would make small mail wait, and be kept twice


class Pace:
    """Says when the next batch may leave."""

    def __init__(self) -> None:
        self._next_s = 0.0

    async def keep(self) -> None:
        """Wait until a batch that is not full may leave, and note that it does."""
        clock = asyncio.get_running_loop().time
        missing_s = self._next_s - clock()
        if missing_s > 0:
            await asyncio.sleep(missing_s)
        self._next_s = clock() + APART_S
