"""How times, sizes and spans are said: short in the line, in full on hover and in print."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from babel.dates import format_date, format_time, format_timedelta, get_day_names
from markupsafe import Markup

from maild.web.language import catalogue

DAY_MS = 86_400_000
_WEEK_MS = 7 * DAY_MS
_MINUTE_MS = 60_000
# Years that every calendar and browser agrees on; dates beyond come from broken mail.
_FIRST_MS, _LAST_MS = -2_208_988_800_000, 4_102_444_800_000
# What Babel takes for a year, a month … a second; a span is said in the largest of them that it reaches, rounded.
_UNITS_S = (31_536_000, 2_592_000, 604_800, 86_400, 3_600, 60, 1)


def moment(ms: int, zone: tzinfo) -> datetime:
    """Return a time of the archive as a time of the place, drawn into the years 1900 to 2100."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(max(ms, _FIRST_MS), _LAST_MS))).astimezone(
        zone
    )


def short(ms: int, now_ms: int, zone: tzinfo, language: str) -> str:
    """Say a time as people do: `vor 5 Minuten`, and after a week the date."""
    age = now_ms - ms
    if 0 <= age < _MINUTE_MS:
        return catalogue(language).gettext("just now")
    if 0 <= age < _WEEK_MS:
        return _spoken(timedelta(milliseconds=-age), language, directed=True)
    return day(moment(ms, zone).date(), language)


def full(ms: int, zone: tzinfo, language: str) -> str:
    """Say a time in full."""
    at = moment(ms, zone)
    return f"{_full_day(at.date(), language)}, {_clock(at.hour, at.minute, language)}"


def to_the_second(ms: int, zone: tzinfo, language: str) -> str:
    """Say the time of a day as clocks show it: `14:03:25`."""
    return format_time(moment(ms, zone), format="medium", locale=language)


# A page says a hundred times, of few days and spans. Babel takes longer for one of them than the page's own row does.


@lru_cache(maxsize=2_048)
def _full_day(of: date, language: str) -> str:
    return format_date(of, format="full", locale=language)


@lru_cache(maxsize=4_096)
def _clock(hour: int, minute: int, language: str) -> str:
    return format_time(time(hour, minute), format="short", locale=language)


def _spoken(length: timedelta, language: str, *, directed: bool) -> str:
    seconds = length.days * 86_400 + length.seconds
    return _spoken_s(_told_s(abs(seconds)) * (-1 if seconds < 0 else 1), language, directed)


def _told_s(seconds: int) -> int:
    """Return the one length for all that are said alike."""
    above = 0
    for unit in _UNITS_S:
        if seconds >= unit:
            near = round(seconds / unit) * unit
            return min(near, above - 1) if above else near
        above = unit
    return 0


@lru_cache(maxsize=2_048)
def _spoken_s(seconds: int, language: str, directed: bool) -> str:
    return format_timedelta(timedelta(seconds=seconds), add_direction=directed, locale=language, threshold=1.0)


@lru_cache(maxsize=2_048)
def day(of: date, language: str) -> str:
    """Say a day: `30.06.2026`."""
    return format_date(of, format="medium", locale=language)


def span(ms: int, language: str) -> str:
    """Say how long something takes: `2 Tage`."""
    return _spoken(timedelta(milliseconds=max(ms, _MINUTE_MS)), language, directed=False)


def ahead(ms: int, now_ms: int, language: str) -> str:
    """Say when something is to happen: `in 10 Minuten`."""
    return _spoken(timedelta(milliseconds=max(ms - now_ms, _MINUTE_MS)), language, directed=True)


def time_element(ms: int, now_ms: int, zone: tzinfo, language: str) -> Markup:
    """Return the `<time>` element."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment(ms, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        full(ms, zone, language),
        short(ms, now_ms, zone, language),
    )


def size(octets: int, language: str) -> str:
    """Say a size in units of a thousand."""
    number, unit = float(octets), "B"
    for larger in ("kB", "MB", "GB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    text = f"{number:.0f}" if unit == "B" or number >= 10 else f"{number:.1f}"
    return f"{text.replace('.', ',') if language == 'de' else text}\u00a0{unit}"


def weekday(day: int, language: str) -> str:
    """Return the short name of a day of the week; 0 is Monday."""
    return str(get_day_names("abbreviated", locale=language)[day])
