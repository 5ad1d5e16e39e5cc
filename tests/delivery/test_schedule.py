from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.delivery.schedule import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    is_late,
    is_over,
    pause_ms,
    waited_ms,
)

NOW = 1_790_000_000_000
TEN_YEARS = 3652 * DAY_MS


def tried(count: int, *, start: int = NOW) -> list[int]:
    """The times of as many tries as the schedule would have them."""
    times = [start]
    for number in range(1, count):
        times.append(times[-1] + pause_ms(number, 0.5))
    return times


@pytest.mark.parametrize(
    ("tries", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 240), (8, 240), (900, 240)]
)
def test_pauses_double_up_to_four_hours(tries: int, minutes: int) -> None:
    assert pause_ms(tries, 0.5) == minutes * MINUTE_MS


@given(tries=st.integers(1, 1000), jitter=st.floats(0, 1, exclude_max=True))
def test_chance_spreads_a_pause_by_a_fifth(tries: int, jitter: float) -> None:
    plain = pause_ms(tries, 0.5)
    assert 0.8 * plain - 1 <= pause_ms(tries, jitter) <= 1.2 * plain + 1


def test_five_days_are_five_days() -> None:
    times = tried(60)
    over = next(n for n in range(1, 60) if is_over(times[:n], 5 * DAY_MS))
    assert 5 * DAY_MS <= times[over - 1] - NOW < 5 * DAY_MS + 5 * HOUR_MS


def test_the_author_is_told_after_four_hours() -> None:
    times = tried(10)
    late = next(n for n in range(1, 10) if is_late(times[:n]))
    assert 4 * HOUR_MS <= times[late - 1] - NOW < 8 * HOUR_MS


@pytest.mark.parametrize("jump", [TEN_YEARS, -TEN_YEARS])
@pytest.mark.parametrize("at", range(1, 12))
def test_a_clock_that_jumps_ends_nothing(jump: int, at: int) -> None:
    times = tried(12)
    jumped = times[:at] + [time + jump for time in times[at:]]
    assert not is_over(jumped, 5 * DAY_MS)
    assert waited_ms(jumped) <= waited_ms(times) + 8 * HOUR_MS
    there_and_back = [*times[:at], *(time + jump for time in times[at : at + 1]), *times[at + 1 :]]
    assert not is_over(there_and_back, 5 * DAY_MS)


def test_a_delivery_ends_although_the_clock_jumped() -> None:
    times = tried(30) + [time - TEN_YEARS for time in tried(40)]
    assert is_over(times, 5 * DAY_MS)


def test_one_try_is_never_the_last() -> None:
    assert not is_over([NOW], 0)


@given(times=st.lists(st.integers(0, NOW * 2), max_size=30))
def test_waiting_is_never_negative_and_bounded_by_the_schedule(times: list[int]) -> None:
    assert 0 <= waited_ms(times) <= max(len(times) - 1, 0) * 8 * HOUR_MS
