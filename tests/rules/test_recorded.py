"""Stored routes are read for ever, whatever wrote them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.rules.engine import route
from maild.rules.recorded import Attempt, Condition, Recorded, read_recorded
from maild.rules.trace_form import trace_json
from tests.rules.samples import WHOLE, letter, rules_of, to

RULES = rules_of(
    WHOLE
    + """rules:
  - {id: eilt, when: {subject: dringend}, then: {copy: leitung, tag: eilt, priority: high}}
  - {id: probe, mode: observe, then: {deliver: poststelle}}
"""
)


def test_what_the_engine_writes_is_read_back() -> None:
    read = read_recorded(json.loads(trace_json(route(RULES, letter(subject="Dringend"), to("kita@a.example")))))
    assert read == Recorded(
        recipient="kita@a.example",
        address="kita.platzvergabe",
        teams=("kita", "leitung"),
        tags=("eilt",),
        priority="high",
        attempts=(
            Attempt(
                rule="eilt",
                line=read.attempts[0].line if read else 0,
                outcome="yes",
                conditions=(Condition(label="subject contains dringend", value="Dringend", outcome="yes"),),
                did=("copy leitung", "tag eilt", "priority high"),
            ),
            Attempt(
                rule="probe",
                line=read.attempts[1].line if read else 0,
                outcome="yes",
                did=("deliver poststelle",),
                observed=True,
            ),
        ),
    )


def test_an_observing_rule_is_marked_also_when_it_did_not_match() -> None:
    rules = rules_of(f"{WHOLE}rules:\n  - {{id: p, mode: observe, when: {{subject: x}}, then: {{tag: t}}}}\n")
    form = json.loads(trace_json(route(rules, letter(subject="y"), to("kita@a.example"))))
    read = read_recorded(form)
    assert read is not None
    assert (read.attempts[0].observed, read.attempts[0].did) == (True, ())
    del form["trace"][0]["observed"]  # as it was written before
    assert (older := read_recorded(form)) is not None
    assert not older.attempts[0].observed


@pytest.mark.parametrize("form", [None, [], {}, "x", 7, {"recipient": 7}, {"teams": ["a"]}])
def test_what_is_no_route_is_none(form: object) -> None:
    assert read_recorded(form) is None


def test_an_older_form_is_read_as_far_as_it_goes() -> None:
    form = {"recipient": "a@b.example", "trace": [7, {"line": 3}, {"rule": "x", "conditions": [["a", "b"], 3]}]}
    assert read_recorded(form) == Recorded(
        recipient="a@b.example",
        address=None,
        teams=(),
        attempts=(Attempt(rule="x", line=0, outcome="cannot tell"),),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["recipient", "teams", "trace", "rule", "conditions", "did", "would", "line"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_nothing_that_is_json_raises(form: object) -> None:
    read_recorded(form)
