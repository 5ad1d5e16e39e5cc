"""How times, sizes and spans are said: short in the line, in full on hover and in print."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

from babel.dates import format_date, format_time, format_timedelta, get_day_names
from markupsafe import Markup

from maild.web.language import catalogue

DAY_MS = 86_400_000
_WEEK_MS = 7 * DAY_MS
_MINUTE_MS = 60_000
# Years that every calendar and browser agrees on; dates beyond come from broken mail.
_FIRST_MS, _LAST_MS = -2_208_988_800_000, 4_102_444_800_000


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
        return format_timedelta(timedelta(milliseconds=-age), add_direction=True, locale=language, threshold=1.0)
    return format_date(moment(ms, zone), format="medium", locale=language)


def full(ms: int, zone: tzinfo, language: str) -> str:
    """Say a time in full."""
    at = moment(ms, zone)
    return f"{format_date(at, format='full', locale=language)}, {format_time(at, format='short', locale=language)}"


def day(of: date, language: str) -> str:
    """Say a day: `30.06.2026`."""
    return format_date(of, format="medium", locale=language)


def span(ms: int, language: str) -> str:
    """Say how long something takes: `2 Tage`."""
    return format_timedelta(timedelta(milliseconds=max(ms, _MINUTE_MS)), locale=language, threshold=1.0)


def ahead(ms: int, now_ms: int, language: str) -> str:
    """Say when something is to happen: `in 10 Minuten`."""
    left = timedelta(milliseconds=max(ms - now_ms, _MINUTE_MS))
    return format_timedelta(left, add_direction=True, locale=language, threshold=1.0)


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
