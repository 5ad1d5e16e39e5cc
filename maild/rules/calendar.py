"""Days on which an office is closed, and how a moment is written in a trace: a table made at load, and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

FIRST_YEAR, LAST_YEAR = 2000, 2050  # for which the public holidays of a state are worked out at load
LISTED = "holiday"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # strftime would ask the daemon's locale


@dataclass(frozen=True, slots=True, kw_only=True)
class Holidays:
    """What `organisation: {holidays: …}` comes to.

    `dates`: day → name; those that the file lists have the name `LISTED`. `yearly`: (month, day) of every year.
    `state`: whose public holidays are among `dates`, so that nothing is known of them beyond the years worked out.
    """

    dates: Mapping[date, str] = field(default_factory=dict)
    yearly: frozenset[tuple[int, int]] = frozenset()
    state: str | None = None

    def name(self, day: date) -> str | None:
        """Return what makes a day a holiday; None on a working day."""
        return self.dates.get(day) or (LISTED if (day.month, day.day) in self.yearly else None)

    def knows(self, day: date) -> bool:
        """Tell whether a day that has no name is certainly none."""
        return self.state is None or FIRST_YEAR <= day.year <= LAST_YEAR


def written(moment: datetime) -> str:
    """Write a moment of the organisation's time zone: `Mon 2026-06-01 12:00`."""
    return f"{_DAYS[moment.weekday()]} {moment.replace(tzinfo=None).isoformat(' ', 'minutes')}"
