"""Dates of header fields, read leniently, as milliseconds since 1970 (UTC).

Source: RFC 5322 §3.3 and §4.3.
"""

from __future__ import annotations

import re

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10}
_MONTHS |= {"nov": 11, "dec": 12}
_MONTHS |= {"mai": 5, "okt": 10, "dez": 12, "mär": 3, "mrz": 3}  # Interop: German clients of old
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ZONES = {
    "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
    "met": 60, "cet": 60, "mez": 60, "cest": 120, "mest": 120, "mesz": 120, "bst": 60, "eet": 120, "eest": 180,
    "jst": 540, "kst": 540, "msk": 180, "hst": -600, "akst": -540, "akdt": -480,
}  # fmt: skip
_TIME = r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?(?:[.,]\d{1,9})?"
_ZONE = r"\s*(?:(?:GMT|UTC?|Z)?\s*([+-])(\d{1,2}):?(\d{2})(?!\d)|([A-Za-z]{1,5}))?"
_USUAL = re.compile(rf"(\d{{1,2}})[\s.-]{{1,9}}(\w{{3,9}})[\s.,-]{{1,9}}(\d{{2,4}})[\s,]{{1,9}}{_TIME}{_ZONE}")
_CTIME = re.compile(
    rf"(\w{{3,9}})\s{{1,9}}(\d{{1,2}}),?\s{{1,9}}{_TIME}\s{{1,9}}(?:([A-Z]{{3,4}})\s{{1,9}})?(\d{{4}}){_ZONE}"
)
_ISO = re.compile(rf"(\d{{4}})[-/](\d{{1,2}})[-/](\d{{1,2}})[T\s]{{1,9}}{_TIME}{_ZONE}")
_LONGEST = 200


def parse_date(raw: str) -> int | None:
    """Return the instant that a date names, None when it names none (or one outside the years 1900 to 9999)."""
    raw = raw[:_LONGEST]
    if match := _USUAL.search(raw):
        day, month, year, *time = match.groups()
        number = _MONTHS.get(month[:3].lower()) or (int(month) if month.isdecimal() else 0)
        days = _days(_year(year), number, int(day))
    elif match := _ISO.search(raw):
        year, month, day, *time = match.groups()
        days = _days(int(year), int(month), int(day))
    elif match := _CTIME.search(raw):
        month, day, hour, minute, second, name, year, *zone = match.groups()
        time = [hour, minute, second, *(zone if name is None else (None, None, None, name))]
        days = _days(int(year), _MONTHS.get(month[:3].lower(), 0), int(day))
    else:
        return None
    seconds = _seconds(time)
    return None if days is None or seconds is None else (days * 86_400 + seconds) * 1000


def _year(digits: str) -> int:
    """Read a year of two or three digits as RFC 5322 §4.3 says."""
    year = int(digits)
    if len(digits) >= 4:
        return year
    return year + 2000 if len(digits) == 2 and year < 50 else year + 1900


def _days(year: int, month: int, day: int) -> int | None:
    """Return the days from 1970-01-01, None for a day that is in no calendar."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (1900 <= year <= 9999 and 1 <= month <= 12):
        return None
    if not 1 <= day <= _DAYS[month] + (leap and month == 2):
        return None
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 - 719_162
    return days + sum(_DAYS[1:month]) + (leap and month > 2) + day - 1


def _seconds(clock: list[str | None]) -> int | None:
    """Return the seconds since midnight at Greenwich, None for a time that no clock shows."""
    hour, minute, second = int(clock[0] or 0), int(clock[1] or 0), int(clock[2] or 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    sign, hours, minutes, name = clock[3:]
    offset = 0
    if sign and hours and minutes:
        offset = int(hours) * 60 + int(minutes)
        # A zone of more than a day is a mistake, and says nothing.
        offset = 0 if offset >= 24 * 60 else -offset if sign == "-" else offset
    elif name:
        offset = _ZONES.get(name.lower(), 0)
    return (hour * 60 + minute - offset) * 60 + second
