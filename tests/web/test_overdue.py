from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from maild.web.overdue import overdue_ms
from tests.web.office import RULES, rules

ZONE = ZoneInfo("Europe/Berlin")
WEEK = RULES.replace("timezone: Europe/Berlin", "timezone: Europe/Berlin, holidays: [2026-06-04]")


@pytest.mark.parametrize(
    ("team", "now", "before"),
    [
        ("bauamt", "2026-06-12T09:00", "2026-06-09T09:00"),  # Friday: since Tuesday
        ("bauamt", "2026-06-15T09:00", "2026-06-10T09:00"),  # Monday: the weekend does not count
        ("bauamt", "2026-06-14T09:00", "2026-06-10T09:00"),  # nor does the Sunday on which one asks
        ("bauamt", "2026-06-05T09:00", "2026-06-01T09:00"),  # a holiday between
        ("kita:confidential", "2026-06-12T09:00", "2026-06-09T09:00"),
        ("gibt-es-nicht", "2026-06-12T09:00", "2026-06-09T09:00"),
        (None, "2026-06-12T09:00", "2026-06-09T09:00"),
    ],
)
def test_a_letter_is_overdue_after_three_days_on_which_the_team_works(team: str | None, now: str, before: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=ZONE)
    expected = datetime.fromisoformat(before).replace(tzinfo=ZONE)
    assert overdue_ms(rules(WEEK), team, int(at.timestamp() * 1000)) == int(expected.timestamp() * 1000)


def test_a_team_that_works_on_one_day_a_week_has_three_weeks() -> None:
    text = WEEK.replace("{mon-thu: 08:00-16:00, fri: 08:00-12:00}", "{wed: 08:00-16:00}")
    at = datetime(2026, 6, 24, 9, tzinfo=ZONE)
    expected = datetime(2026, 6, 3, 9, tzinfo=ZONE)
    assert overdue_ms(rules(text), "kita", int(at.timestamp() * 1000)) == int(expected.timestamp() * 1000)


def test_a_team_answers_within_its_own_days_or_those_of_the_team_above() -> None:
    text = WEEK.replace("mitglieder: {", "mitglieder: {answer_within: 5, ").replace(
        "bauamt: {name: Bauamt,", "bauamt: {name: Bauamt, answer_within: 1,"
    )
    at = datetime(2026, 6, 12, 9, tzinfo=ZONE)
    now_ms = int(at.timestamp() * 1000)
    for team, day in (("mitglieder.by", 5), ("mitglieder", 5), ("bauamt", 11), ("kita", 9)):
        expected = datetime(2026, 6, day, 9, tzinfo=ZONE)
        assert overdue_ms(rules(text), team, now_ms) == int(expected.timestamp() * 1000), team
