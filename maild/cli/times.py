"""Times as people type and read them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

import click

_SPAN = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}


def now_ms() -> int:
    """Return the present, in milliseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1000)


def since_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read `2026-05-31` (from its beginning, local time) or a span back from now: `36h`, `30d`, `4w`."""
    if value is None:
        return None
    if match := _SPAN.fullmatch(value):
        span = timedelta(hours=int(match[1]) * _HOURS[match[2]])
        return int((datetime.now(UTC) - span).timestamp() * 1000)
    return day_start_ms(ctx, param, value)


def day_start_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a date; return its first moment, local time."""
    del ctx, param
    return None if value is None else _midnight_ms(_day(value))


def day_end_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a date; return the first moment after it, local time."""
    del ctx, param
    return None if value is None else _midnight_ms(_day(value) + timedelta(days=1))


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is not a date such as 2026-05-31") from None


def _midnight_ms(day: date) -> int:
    return int(datetime.combine(day, time.min).astimezone().timestamp() * 1000)


def rfc3339(ms: int) -> str:
    """Return a moment for programs: UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def local(ms: int) -> str:
    """Return a moment for people: local time, to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
