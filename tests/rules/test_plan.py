"""Rules that are passed over together leave the same trace as rules that are tried one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.address import Address
from maild.rules import engine
from maild.rules.engine import route_all
from maild.rules.model import Letter, Outcome, Ruleset
from maild.rules.operators import Contains, Ends, Starts
from maild.rules.plan import Passed, Plan, Tried
from maild.rules.recorded import each_rule
from maild.rules.route import Route
from maild.rules.trace_form import trace_json
from maild.rules.wordlist import FEW, WordList
from tests.rules.samples import WHOLE, letter, rules_of, to
from tests.rules.test_properties import CONDITIONS, RECIPIENTS, letters, rulesets


class OneByOne(Plan):
    """Passes nothing over."""

    def __init__(self, rules: Any) -> None:
        super().__init__(rules)
        self.marks, self.opens = b"\1" * len(rules), {}


def one_by_one(ruleset: Ruleset, mail: Letter, recipients: list[Address]) -> tuple[Route, ...]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "plan_of", OneByOne)
        return route_all(ruleset, mail, recipients)


def stored(route: Route) -> dict[str, Any]:
    """Return what is kept of a route, with every rule on its own."""
    form = json.loads(trace_json(route))
    return {**form, "trace": each_rule(form), "saw": None}


def assert_alike(ruleset: Ruleset, mail: Letter, recipients: list[Address]) -> None:
    quick, slow = route_all(ruleset, mail, recipients), one_by_one(ruleset, mail, recipients)
    assert not any(isinstance(step, Passed) for route in slow for step in route.steps)
    assert [route.trace for route in quick] == [route.trace for route in slow]
    assert [stored(route) for route in quick] == [stored(route) for route in slow]
    assert [route.teams for route in quick] == [route.teams for route in slow]


@settings(max_examples=60, deadline=None)
@given(rulesets(), letters(), st.lists(RECIPIENTS, min_size=1, max_size=3))
def test_a_trace_does_not_show_which_rules_were_passed_over(
    ruleset: Ruleset, mail: Letter, recipients: list[Address]
) -> None:
    assert_alike(ruleset, mail, recipients)


@settings(max_examples=30, deadline=None)
@given(st.lists(CONDITIONS, min_size=3, max_size=12), letters(), RECIPIENTS)
def test_many_rules_leave_the_same_trace(conditions: list[str], mail: Letter, recipient: Address) -> None:
    written = "".join(
        f"  - {{id: r{n}, when: {{{when}}}, then: {{tag: t}}}}\n"
        f"  - {{id: s{n}, when: {{all: [{{{when}}}, {{subject: b}}]}}, then: {{tag: t}}}}\n"
        for n, when in enumerate(conditions)
    )
    assert_alike(rules_of(f"{WHOLE}rules:\n{written}"), mail, [recipient])


def test_rules_for_other_addresses_are_passed_over_and_those_for_this_one_are_tried() -> None:
    names = ("info", "kita.platzvergabe", "alt")
    written = "".join(f"  - {{id: r{n}, when: {{to: {names[n % 3]}}}, then: {{tag: t{n}}}}}\n" for n in range(9))
    (found,) = route_all(rules_of(f"{WHOLE}rules:\n{written}"), letter(), [to("info@a.example")])
    assert found.tags == ("t0", "t3", "t6")
    assert [type(step) for step in found.steps] == [Tried, Passed] * 3
    assert len(found.trace) == 9
    assert {tried.seen[0].value for tried in found.trace} == {"info@a.example"}
    passed = json.loads(trace_json(found))["trace"][1]
    assert [each[0] for each in passed["passed"]] == ["r1", "r2"]
    assert stored(found)["trace"][1] == {
        "rule": "r1",
        "line": found.trace[1].line,
        "outcome": "no",
        "conditions": [["to is kita.platzvergabe", "info@a.example", "no"]],
    }


def test_a_reading_that_is_not_whole_lets_no_rule_be_passed_over() -> None:
    rules = rules_of(
        "rules:\n  - {id: r, when: {text: a}, then: {tag: t}}\n  - {id: s, when: {text: b}, then: {tag: t}}\n"
    )
    goal = to("postmaster@musterstadt.example")
    (found,) = route_all(rules, letter(text="", source_only="depth"), [goal])
    assert [tried.outcome for tried in found.trace] == [Outcome.UNKNOWN, Outcome.UNKNOWN]


def test_a_reading_is_made_only_when_a_rule_that_is_reached_asks_for_it() -> None:
    rules = rules_of(
        "rules:\n  - {id: r, when: {to: postmaster}, then: {file: closed}}\n"
        "  - {id: s, when: {text: b}, then: {tag: t}}\n"
    )
    (found,) = route_all(rules, letter(), [to("postmaster@musterstadt.example")])
    assert [tried.rule for tried in found.trace] == ["r"]


WORDS = st.text("abß ", max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=2))
def test_a_long_list_of_words_holds_when_a_short_one_does(few: list[str], texts: list[str]) -> None:
    many = [*few, *(f"zz{n}" for n in range(FEW + 1))]
    values = tuple(texts)
    for kind in (Contains, Starts, Ends):
        assert kind(values=tuple(many)).holds(values) == kind(values=tuple(few)).holds(values)
    assert set(WordList(many).all_in(values)) == {word for word in few for text in texts if word in text}


def test_words_are_found_in_a_long_text_as_in_a_short_one() -> None:
    words = [f"wort{n}." for n in range(2_000)]
    text = "x" * 5_000 + "wort1999." + "wort7" + "y" * 5_000
    assert list(WordList(words).all_in([text])) == ["wort1999."]
    assert list(WordList(words[:3]).all_in([text])) == []
