"""A clock that is moved while programs run by it: a file says how far it is off, and `preload` makes them read it.

Only the time of day is moved. The monotonic clock, by which programs wait, stays true: a daemon sleeps as long as ever.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
_ROOT = Path(__file__).parent.parent.parent
_PRELOADED = Path(__file__).with_name("preload")


class MovedClock:
    """The time of a few programs. It goes on by itself, and forward only."""

    def __init__(self, file: Path, begins: datetime) -> None:
        """Begin at a time."""
        self._file = file
        self._off_s = 0
        self.move_to(begins)

    @property
    def environment(self) -> dict[str, str]:
        """What a program must be given to go by this clock."""
        return {"MOVED_CLOCK": str(self._file), "PYTHONPATH": f"{_PRELOADED}{os.pathsep}{_ROOT}"}

    @property
    def now_ms(self) -> int:
        return int((time.time() + self._off_s) * 1000)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._off_s, ZONE)

    def move_to(self, wanted: datetime) -> None:
        """Make it later."""
        off_s = round(wanted.timestamp() - time.time())
        assert not self._off_s or off_s >= self._off_s, f"{wanted} is over"
        self._off_s = off_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{off_s:+d}")
        fresh.replace(self._file)
