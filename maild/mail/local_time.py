"""Moments and days by the clock of a place, such as that of the organisation. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo


def local_time(at_ms: int, zone: tzinfo) -> datetime:
    """Return a moment, in milliseconds since 1970, as the clocks of a place show it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)


def day_start_ms(day: date, zone: tzinfo) -> int:
    """Return the first moment of a day. Raises OverflowError at the end of the calendar."""
    return int(datetime.combine(day, time.min, zone).astimezone(UTC).timestamp() * 1000)


def day_end_ms(day: date, zone: tzinfo) -> int:
    """Return the first moment after a day. Raises OverflowError at the end of the calendar."""
    return day_start_ms(day + timedelta(days=1), zone)
