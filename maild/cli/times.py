"""Times as people type and read them on a command line."""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta

import click

_SPAN = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}


def now_ms() -> int:
    """Return the present, in milliseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1000)


def since_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read `2026-05-31` (from its beginning, this machine's time) or a span back from now: `36h`, `30d`, `4w`."""
    if value is not None and (match := _SPAN.fullmatch(value)):
        span = timedelta(hours=int(match[1]) * _HOURS[match[2]])
        return int((datetime.now(UTC) - span).timestamp() * 1000)
    found = day(ctx, param, value)
    return None if found is None else int(datetime.combine(found, time.min).astimezone().timestamp() * 1000)


def day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    """Read a date. When it begins and ends, only the rules know: by the organisation's clock."""
    del ctx, param
    if value is None:
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        found = date.min
    if not MINYEAR < found.year < MAXYEAR:  # its midnights are in the calendar, wherever that is
        raise click.BadParameter(f"'{value}' is not a date such as 2026-05-31")
    return found


def rfc3339(ms: int) -> str:
    """Return a moment for programs: UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def local(ms: int) -> str:
    """Return a moment for people: this machine's time, to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
