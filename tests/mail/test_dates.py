from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.dates import parse_date


def utc(*parts: int) -> int:
    year, month, day, hour, minute, second = parts
    return round(dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Mon, 2 Nov 2026 10:00:00 +0100", utc(2026, 11, 2, 9, 0, 0)),
        ("2 Nov 2026 10:00 +0100", utc(2026, 11, 2, 9, 0, 0)),
        ("Mon, 02 Nov 2026 10:00:00 +0100 (CET)", utc(2026, 11, 2, 9, 0, 0)),
        ("Mon, 2 Nov 2026 10:00:00 GMT", utc(2026, 11, 2, 10, 0, 0)),
        ("Mon, 2 Nov 2026 10:00:00 GMT+0200", utc(2026, 11, 2, 8, 0, 0)),
        ("Mon, 2 Nov 2026 10:00:00 EST", utc(2026, 11, 2, 15, 0, 0)),
        ("Mon, 2 Nov 2026 10:00:00 MEZ", utc(2026, 11, 2, 9, 0, 0)),
        ("Mon, 2 Nov 2026 10:00:00 XYZ", utc(2026, 11, 2, 10, 0, 0)),
        ("Mon, 2 Nov 2026 10:00:00", utc(2026, 11, 2, 10, 0, 0)),
        ("Mo, 2-Okt-2026 10:00:00 +0200", utc(2026, 10, 2, 8, 0, 0)),
        ("2 Nov 99 10:00:00 +0000", utc(1999, 11, 2, 10, 0, 0)),
        ("2 Nov 06 10:00:00 +0000", utc(2006, 11, 2, 10, 0, 0)),
        ("2 Nov 106 10:00:00 +0000", utc(2006, 11, 2, 10, 0, 0)),
        ("Mon Nov  2 10:00:00 2026", utc(2026, 11, 2, 10, 0, 0)),
        ("Mon Nov  2 10:00:00 CET 2026", utc(2026, 11, 2, 9, 0, 0)),
        ("2026-11-02T10:00:00.123+01:00", utc(2026, 11, 2, 9, 0, 0)),
        ("2026-11-02 10:00:00Z", utc(2026, 11, 2, 10, 0, 0)),
        ("29 Feb 2024 00:00:00 +0000", utc(2024, 2, 29, 0, 0, 0)),
        ("31 Dec 2016 23:59:60 +0000", utc(2017, 1, 1, 0, 0, 0)),
        ("1 Jan 1960 00:00:00 +0000", utc(1960, 1, 1, 0, 0, 0)),
        ("31 Dec 9999 23:59:59 -2359", utc(9999, 12, 31, 23, 59, 59) + 86_340_000),
        ("2 Nov 2026 10:00:00 +9999", utc(2026, 11, 2, 10, 0, 0)),
        ("29 Feb 2023 00:00:00 +0000", None),
        ("31 Nov 2026 00:00:00 +0000", None),
        ("2 Nov 2026 25:00:00 +0000", None),
        ("2 Nov 1726 10:00:00 +0000", None),
        ("2 Foo 2026 10:00:00 +0000", None),
        ("Whenever", None),
        ("", None),
        ("9" * 100_000, None),
    ],
)
def test_dates_are_read(raw: str, expected: int | None) -> None:
    assert parse_date(raw) == expected


@given(seconds=st.integers(-2_208_900_000, 253_402_200_000), minutes=st.integers(-840, 840))
@settings(deadline=None)
def test_what_is_written_is_read(seconds: int, minutes: int) -> None:
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    written = format_datetime(moment.astimezone(dt.timezone(dt.timedelta(minutes=minutes))))
    assert parse_date(written) == seconds * 1000


@given(raw=st.text(alphabet="0123456789 :-+,.TZaJjneNov\u0661", max_size=40))
@settings(deadline=None)
def test_any_text_is_a_date_or_none(raw: str) -> None:
    found = parse_date(raw)
    assert found is None or abs(found) < 1 << 53
