"""A daily digest is due once for each working day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from maild.policy.digests import HOURS, PAUSE_MS, may_follow, news_since, slot_of

BERLIN = ZoneInfo("Europe/Berlin")
DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, HOURS[0], HOURS[-1]])
def test_a_day_on_which_the_clocks_change_has_one_digest_as_any_other(day: datetime, hour: int) -> None:
    sent, last = [], ""
    for step in range(3 * 24 * 6):
        local = (day + timedelta(minutes=10 * step)).astimezone(BERLIN)
        slot = slot_of(local, hour, works=True)
        if slot and slot != last:
            last = slot
            sent.append((slot, local.hour))
    first = day.astimezone(BERLIN).date()
    whole = [(first + timedelta(days=n)).isoformat() for n in range(3)]
    assert [slot for slot, _ in sent][: len(whole)] == whole
    # Where the clocks skip the hour, it comes with the next one.
    assert all(at in (hour, 3) if hour == 2 else at == hour for _, at in sent[1:])


def test_nothing_is_due_before_its_hour_or_on_a_day_off() -> None:
    noon = datetime(2026, 9, 21, 12, tzinfo=BERLIN)
    assert slot_of(noon, 12, works=True) == "2026-09-21"
    assert slot_of(noon, 13, works=True) == slot_of(noon, 8, works=False) == ""


@pytest.mark.parametrize(
    ("sent_ms", "may"),
    [(None, True), (1_000, False), (1_000 - PAUSE_MS, True), (2_000, False), (5_000, True)],
)
def test_a_flood_waits_a_quarter_of_an_hour_and_no_clock_keeps_it_longer(sent_ms: int | None, *, may: bool) -> None:
    assert may_follow(sent_ms, 2_000) is may


def test_news_are_at_most_two_weeks_old_and_never_of_the_future() -> None:
    now_ms = 100 * DAY_MS
    assert news_since(now_ms - 5, now_ms) == now_ms - 5
    assert news_since(0, now_ms) == now_ms - 14 * DAY_MS
    assert news_since(now_ms + 9, now_ms) == now_ms - DAY_MS
