"""What memory the daemon has free, given back to the system."""

from __future__ import annotations

import asyncio
import ctypes

_PAUSE_S = 60.0


async def give_back_heaps(pause_s: float = _PAUSE_S) -> None:
    """Have the pages given back that lie free between others in the C library's heaps; every `pause_s`, for ever.

    Free memory at the end of a heap is given back by itself, and large blocks are (`confinement.give_back_memory`).
    What a crowd of letters has left in between is not: a minute of it would be kept until the daemon ends.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:  # other C libraries have none, and no such heaps
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(trim, 0)
