"""Times as people type and read them on a command line: by the organisation's clock, as on every page."""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta, tzinfo
from typing import cast

import click

from maild.cli.verb import settings
from maild.errors import ConfigurationError
from maild.mail.local_time import day_start_ms, local_time
from maild.rules.zone import organisation_zone

_SPAN = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}
_ZONE = "maild.zone"


def now_ms() -> int:
    """Return the present, in milliseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1000)


def zone() -> tzinfo:
    """Return the organisation's time zone; where the rules cannot be read, this machine's."""
    context = click.get_current_context(silent=True)
    if context is None:
        return _read_zone()
    if _ZONE not in context.meta:  # of one call: it is asked for in each line that is printed
        context.meta[_ZONE] = _read_zone()
    return cast("tzinfo", context.meta[_ZONE])


def _read_zone() -> tzinfo:
    try:
        found = organisation_zone(settings().server.rules.read_text(encoding="utf-8"))
    except (ConfigurationError, OSError, UnicodeError):  # whatever is wrong with it, others say
        found = None
    return found or datetime.now(UTC).astimezone().tzinfo or UTC


def today() -> date:
    """Return the day that it is in the organisation."""
    return local_time(now_ms(), zone()).date()


def since_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read `2026-05-31` (from its beginning, as the organisation's clock has it) or a span back: `36h`, `30d`, `4w`."""
    if value is not None and (match := _SPAN.fullmatch(value)):
        span = timedelta(hours=int(match[1]) * _HOURS[match[2]])
        return int((datetime.now(UTC) - span).timestamp() * 1000)
    found = day(ctx, param, value)
    return None if found is None else day_start_ms(found, zone())


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
    """Return a moment for people: the organisation's time, to the minute."""
    return local_time(ms, zone()).strftime("%Y-%m-%d %H:%M")
