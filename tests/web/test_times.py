from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_timedelta

from maild.web.times import ahead, full, moment, short, size, span, time_element

NOW_MS = 1_790_000_000_000
ZONE = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("age_ms", "german", "english"),
    [
        (0, "gerade eben", "just now"),
        (5 * MINUTE, "vor 5 Minuten", "5 minutes ago"),
        (HOUR, "vor 1 Stunde", "1 hour ago"),
        (2 * DAY, "vor 2 Tagen", "2 days ago"),
        (8 * DAY, "13.09.2026", "Sep 13, 2026"),
        (-DAY, "22.09.2026", "Sep 22, 2026"),
    ],
)
def test_a_time_is_said_as_people_do(age_ms: int, german: str, english: str) -> None:
    assert short(NOW_MS - age_ms, NOW_MS, ZONE, "de") == german
    assert short(NOW_MS - age_ms, NOW_MS, ZONE, "en") == english


def test_the_full_date_is_in_the_zone_of_the_place() -> None:
    assert full(NOW_MS, ZONE, "de") == "Montag, 21. September 2026, 16:13"
    element = time_element(NOW_MS, NOW_MS, ZONE, "de")
    assert (
        element == '<time datetime="2026-09-21T14:13:20Z" title="Montag, 21. September 2026, 16:13">gerade eben</time>'
    )


@pytest.mark.parametrize("ms", [-(10**18), -1, 0, 253_402_300_799_999, 10**18])
def test_a_date_of_no_calendar_is_drawn_into_one(ms: int) -> None:
    assert 1900 <= moment(ms, ZONE).year <= 2100
    assert str(time_element(ms, NOW_MS, ZONE, "de")).startswith("<time")


@pytest.mark.parametrize(
    ("octets", "german"), [(0, "0 B"), (999, "999 B"), (1_200, "1,2 kB"), (12_000, "12 kB"), (35_000_000, "35 MB")]
)
def test_a_size_is_said_in_thousands(octets: int, german: str) -> None:
    assert size(octets, "de").replace("\u00a0", " ") == german


def test_a_span_is_never_nothing() -> None:
    assert span(0, "de") == "1 Minute"
    assert span(-5, "en") == "1 minute"
    assert span(3 * DAY, "de") == "3 Tage"


def test_spans_that_are_kept_are_said_as_those_that_are_not() -> None:
    units = (1, 60, 3_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400)
    edges = {int(unit * n / 2) + off for unit in units for n in range(1, 130) for off in (-1, 0, 1)}
    for seconds in sorted(edges):
        length = timedelta(seconds=max(seconds, 60))
        assert span(seconds * 1_000, "de") == format_timedelta(length, locale="de", threshold=1.0)
        said = format_timedelta(length, add_direction=True, locale="en", threshold=1.0)
        assert ahead(NOW_MS + seconds * 1_000, NOW_MS, "en") == said
