"""When to try again, when to give up, and when to tell the author that it takes long. Pure.

The wall clock is not believed: it may jump by ten years, in either direction. What counts as waiting is what the tries
themselves prove. The time between two of them counts as far as the schedule would have had them wait, with some room;
a gap that is longer (the clock jumped, the machine was switched off) counts as that much and no more, one that is
negative counts as nothing. So a jump freezes expiry, and costs a delivery that is on its way a few hours at the most; a
maild that was down for a week gives up nothing for it.

Source: RFC 5321 §4.5.4.1 (30 minutes between tries, four to five days).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOTICE_MS = 4 * HOUR_MS
# Interop: the first pauses are short, for who greylists wants to be asked again after minutes.
_FIRST_MS = 5 * MINUTE_MS
_LONGEST_MS = 4 * HOUR_MS
_SPREAD = 0.2
_ROOM = 2.0  # a try may be late: the next hop is busy, or many are waiting
# Nothing is ever put off as far: a time beyond was written while the clock was wrong.
HORIZON_MS = 24 * HOUR_MS


def pause_ms(tries: int, jitter: float) -> int:
    """Return how long to wait after the `tries`-th try, counted from 1; `jitter` from 0 up to 1 spreads it by ±20 %."""
    return int(_plain_ms(tries) * (1 - _SPREAD + 2 * _SPREAD * jitter))


def _plain_ms(tries: int) -> int:
    return min(_FIRST_MS << min(max(tries, 1) - 1, 16), _LONGEST_MS)


def waited_ms(tried_at_ms: Sequence[int]) -> int:
    """Return for how long a delivery has provably been tried, by the times of its tries in their order."""
    waited = 0
    for number, (before, after) in enumerate(pairwise(tried_at_ms), start=1):
        waited += min(max(after - before, 0), int(_plain_ms(number) * _ROOM))
    return waited


def is_over(tried_at_ms: Sequence[int], lifetime_ms: int) -> bool:
    """Tell whether a delivery has been tried for long enough. A single try is never enough."""
    return len(tried_at_ms) > 1 and waited_ms(tried_at_ms) >= lifetime_ms


def is_late(tried_at_ms: Sequence[int]) -> bool:
    """Tell whether its author ought to know by now that it takes long."""
    return waited_ms(tried_at_ms) >= NOTICE_MS
