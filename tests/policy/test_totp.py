from __future__ import annotations

import pytest

from maild.policy.totp import code_of, step_at, step_of

SECRET = b"12345678901234567890"  # of RFC 6238, Appendix B


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_codes_are_those_of_the_standard(at_s: int, code: str) -> None:
    assert code_of(SECRET, step_at(at_s * 1000)) == code


def test_a_clock_may_be_off_by_one_step_and_no_more() -> None:
    now_ms = 1_790_000_000_000
    here = step_at(now_ms)
    for off, found in ((-2, None), (-1, here - 1), (0, here), (1, here + 1), (2, None)):
        assert step_of(SECRET, code_of(SECRET, here + off), now_ms, -1) == found


def test_a_step_that_was_used_is_found_no_more_nor_one_before_it() -> None:
    now_ms = 1_790_000_000_000
    here = step_at(now_ms)
    code = code_of(SECRET, here)
    assert step_of(SECRET, f" {code[:3]} {code[3:]} ", now_ms, here - 1) == here
    assert step_of(SECRET, code, now_ms, here) is None
    assert step_of(SECRET, code_of(SECRET, here - 1), now_ms, here) is None


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "\uff12\uff18\uff17\uff10\uff18\uff12", "\ud800"])
def test_what_is_no_code_fits_nothing(typed: str) -> None:
    assert step_of(SECRET, typed, 59_000, -1) is None
