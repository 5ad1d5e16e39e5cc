"""Loaded by Python itself into every program that goes by the moved clock: the time of day is what a file says.

The monotonic clock, by which programs wait, stays true. libfaketime would do it for any program, and is of no use here:
0.9.10 fails clock_nanosleep on a clock that it is told to leave alone, and spoils the timed waits of Python's own lock.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Self

_FILE = os.environ.get("MOVED_CLOCK", "")
_true: Callable[[], float] = time.time


def _moved() -> float:
    """Return the seconds since 1970, as far off the truth as the file says."""
    with open(_FILE, encoding="ascii") as file:  # noqa: PTH123 - nothing but what is needed: it is loaded into everything
        return _true() + int(file.read())


class _Datetime(datetime):
    """The time of day by the moved clock; all else as it is."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(_moved(), tz)

    @classmethod
    def utcnow(cls) -> Self:
        return cls(1970, 1, 1) + timedelta(seconds=_moved())


if _FILE:
    time.time = _moved
    dt.datetime = _Datetime  # type: ignore[misc]
