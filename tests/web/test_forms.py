from __future__ import annotations

import pytest

from maild.web.forms import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("12", 12), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("", None), ("-1", None),
        ("1.0", None), (" 1", None), ("1\n", None), ("٣", None), ("²", None), ("1_0", None),
    ],
)  # fmt: skip
def test_a_number_is_digits_alone_and_fits_into_a_column(text: str, number: int | None) -> None:
    assert whole_number(text) == number
