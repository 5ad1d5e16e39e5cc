from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.rules.text_merge import merged

BASE = "a\nb\nc\nd\ne\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        ("A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n"),
        ("a\nb\nc\nd\ne\nf\n", "x\na\nb\nc\nd\ne\n", "x\na\nb\nc\nd\ne\nf\n"),
        ("a\nc\nd\ne\n", "a\nb\nc\ne\n", "a\nc\ne\n"),
        ("a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n"),
        (BASE, "neu\n", "neu\n"),
        ("a\nB\nc\nd\ne\n", "a\nX\nc\nd\ne\n", None),
        ("a\nx\nb\nc\nd\ne\n", "a\ny\nb\nc\nd\ne\n", None),
        ("a\n", "a\nb\nC\nd\ne\n", None),
    ],
)
def test_two_changes_stand_together_unless_they_touch_the_same_place(mine: str, theirs: str, both: str | None) -> None:
    assert merged(BASE, mine, theirs) == both
    assert merged(BASE, theirs, mine) == both


TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\r\n"]), max_size=8).map("".join)


@given(TEXTS, TEXTS)
def test_who_changes_nothing_gets_the_others_text(base: str, theirs: str) -> None:
    assert merged(base, base, theirs) == theirs
    assert merged(base, theirs, base) == theirs
    assert merged(base, theirs, theirs) == theirs
