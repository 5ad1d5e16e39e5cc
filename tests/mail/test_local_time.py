from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from maild.mail.local_time import day_end_ms, day_start_ms, local_time

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("day", "begins", "hours"),
    [
        (date(2026, 6, 1), "2026-06-01T00:00:00+02:00", 24),
        (date(2026, 12, 31), "2026-12-31T00:00:00+01:00", 24),
        (date(2026, 3, 29), "2026-03-29T00:00:00+01:00", 23),
        (date(2026, 10, 25), "2026-10-25T00:00:00+02:00", 25),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight_of_the_place(day: date, begins: str, hours: int) -> None:
    start_ms, end_ms = day_start_ms(day, BERLIN), day_end_ms(day, BERLIN)
    assert local_time(start_ms, BERLIN).isoformat() == begins
    assert end_ms - start_ms == hours * HOUR_MS
    assert local_time(end_ms - 1, BERLIN).date() == day


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu"])
def test_the_end_of_the_calendar_is_told(zone: str) -> None:
    with pytest.raises(OverflowError):
        day_end_ms(date.max, ZoneInfo(zone))
