from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from maild.mail.screening import Finding, Screening, from_json, to_json, told

_NAMES = st.text(max_size=20)
_FINDINGS = st.builds(
    Finding,
    by=_NAMES,
    verdict=st.sampled_from(["clean", "spam", "suspect", "virus", "listed", "unavailable"]),
    score=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    names=st.lists(_NAMES, max_size=3).map(tuple),
)
_SCREENINGS = st.builds(
    Screening, findings=st.lists(_FINDINGS, max_size=3).map(tuple), filed=st.sampled_from(["", "spam", "virus"])
)


@given(_SCREENINGS)
def test_a_screening_is_read_as_it_was_written(screening: Screening) -> None:
    assert from_json(to_json(screening)) == screening


def test_what_says_nothing_is_left_out() -> None:
    assert to_json(Screening((Finding("clamav", "clean"),))) == '{"findings":[{"by":"clamav","verdict":"clean"}]}'


def test_members_that_a_newer_maild_wrote_are_passed_over() -> None:
    newer = {"findings": [{"by": "x", "verdict": "spam", "score": 3, "colour": "red"}], "filed": "spam", "more": 1}
    assert from_json(json.dumps(newer)) == Screening((Finding("x", "spam", 3.0),), "spam")


def test_a_finding_is_told_in_a_few_words() -> None:
    assert told(Finding("rspamd", "spam", 15.2, ("GTUBE", "X"))) == "rspamd 15.2 (GTUBE, X)"
    assert told(Finding("clamav", "clean")) == "clamav"


def test_for_and_against_and_who_was_away_are_told_apart() -> None:
    found = tuple(Finding(v, v) for v in ("clean", "spam", "suspect", "virus", "listed", "unavailable"))
    assert [f.by for f in Screening(found).against] == ["spam", "suspect", "virus", "listed"]
    assert [f.by for f in Screening(found).unasked] == ["unavailable"]
