"""When people are told by mail what is new: as each wishes, and never twice for one day. Pure.

A daily digest belongs to a day of the organisation's calendar, from an hour of its clock on. So it is one, whether the
clocks go forward, back, or maild was switched off at that hour.
"""

from __future__ import annotations

from datetime import datetime

OFF, DAILY, AT_ONCE = "off", "daily", "at-once"
MODES = (OFF, DAILY, AT_ONCE)
HOURS = tuple(range(5, 21))
USUAL_HOUR = 8
# What is told at once is gathered for so long behind the mail before: a flood is a few mails, not one for each.
PAUSE_MS = 15 * 60 * 1000
_DAY_MS = 24 * 3600 * 1000
_LONGEST_MS = 14 * _DAY_MS


def slot_of(local: datetime, hour: int, *, works: bool) -> str:
    """Return the day that a digest is due for, "" when none is: too early, or nobody works.

    Args:
        local: now, by the organisation's clock.
        hour: from which on it is due.
        works: whether it is a working day.
    """
    return local.date().isoformat() if works and local.hour >= hour else ""


def may_follow(sent_ms: int | None, now_ms: int) -> bool:
    """Tell whether there may be another mail at once; a time in the future was written while the clock was wrong."""
    return sent_ms is None or sent_ms > now_ms or now_ms - sent_ms >= PAUSE_MS


def news_since(told_ms: int, now_ms: int) -> int:
    """Return since when something is news to somebody who was told up to a time."""
    return now_ms - _DAY_MS if told_ms > now_ms else max(told_ms, now_ms - _LONGEST_MS)
