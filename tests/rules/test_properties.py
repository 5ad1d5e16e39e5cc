"""What holds for whatever is thrown at the rules."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maild.errors import Diagnostic
from maild.mail.address import Address
from maild.mail.facts import Automatic
from maild.rules.engine import merge, route, route_all
from maild.rules.loader import load
from maild.rules.model import Letter, Ruleset
from maild.rules.trace_form import trace_json
from tests.rules.samples import TODAY, WHOLE, completed, letter, read_list, rules_of

EXAMPLE = (Path(__file__).parents[2] / "rules.example.yaml").read_text(encoding="utf-8")
FEW = settings(max_examples=40, deadline=None)

CONDITIONS = st.sampled_from(
    [
        "to: info",
        "to: [kita.platzvergabe, alt]",
        "to: '@b.example'",
        "detail: x",
        "from: '@x.example'",
        "sender: <>",
        "subject: a",
        "subject: {regex: '^(re|aw): '}",
        "text: {ends: b}",
        "header: {X-A: {matches: 'a*'}}",
        "list: true",
        "auto_submitted: false",
        "bounce: true",
        "office_hours: true",
        "language: [de, en]",
        "spf: [pass, none]",
        "dmarc: fail",
        "reply: true",
        "size: {larger_than: 10}",
        "attachment: {name: '*'}",
        "any: [{subject: a}, {text: b}]",
        "none: [{subject: a}, {list: true}]",
    ]
)
ACTIONS = st.sampled_from(
    [
        "deliver: leitung",
        "deliver: [jugendamt, kita]",
        "copy: poststelle",
        "tag: [a, b]",
        "priority: high",
        "priority: low",
        "file: closed",
        "hold: Bitte prüfen",
        "forward: eva@kreis.example",
        "assign: eva",
    ]
)


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    hours = draw(st.sampled_from(["", ", hours: {mon-fri: 08:00-16:00}"]))
    text = WHOLE.replace("{name: Kita-Platzvergabe", "{name: Kita-Platzvergabe" + hours)
    text += draw(st.sampled_from(["", "unknown_recipient: fallback\n"])) + "rules:\n"
    for number in range(draw(st.integers(0, 5))):
        then = draw(ACTIONS) + draw(st.sampled_from(["", ", tag: c"]) if number % 2 else st.just(""))
        then = "tag: [a, c]" if then.startswith("tag: [a, b], tag") else then
        more = draw(
            st.sampled_from(["", ", continue: true", ", stop: true", ", mode: observe", ", unless: {subject: z}"])
        )
        text += f"  - {{id: r{number}, when: {{{draw(CONDITIONS)}}}, then: {{{then}}}{more}}}\n"
    return rules_of(text if not text.endswith("rules:\n") else text.removesuffix("rules:\n"))


WORDS = st.text(max_size=12) | st.sampled_from(["a", "b", "Re: a", "z"])
LOCALS = st.sampled_from(["info", "KITA", "alt", "krippe", "nur-b", "niemand", "info+x", "postmaster"]) | WORDS
RECIPIENTS = st.builds(Address, local=LOCALS, domain=st.sampled_from(["a.example", "b.example", "fremd.example"]))


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    facts: dict[str, Any] = {
        "subject": draw(WORDS),
        "text": draw(WORDS | st.sampled_from(["Ich bin nicht da und bitte um Antwort.", "It is not for the team."])),
        "header": draw(st.dictionaries(st.sampled_from(["X-A", "X-B"]), WORDS)),
        "list_id": draw(st.none() | WORDS),
        "auto_submitted": draw(st.booleans()),
        "automatic": draw(st.sampled_from(Automatic)),
        "size_bytes": draw(st.integers(0, 10**9)),
        "source_only": draw(st.sampled_from([None, None, "depth", "crash", "fields"])),
        "author": draw(st.sampled_from(["a@x.example", "", "x"]) | WORDS),
        "verdicts": {key: draw(st.sampled_from(["none", "pass", "fail", "temperror"])) for key in ("spf", "dmarc")},
        "reply": draw(st.sampled_from([None, True, False])),
        "attachment": draw(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 100)), max_size=2)),
    }
    at = draw(st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    return letter(sender=draw(st.sampled_from([None, "a@x.example"])), at=at, **facts)


@FEW
@given(rulesets(), letters(), RECIPIENTS)
def test_every_recipient_ends_in_at_least_one_team_that_exists(
    rules: Ruleset, mail: Letter, recipient: Address
) -> None:
    found = route(rules, mail, recipient)
    assert found.teams
    assert set(found.teams) <= set(rules.teams)
    assert len(set(found.teams)) == len(found.teams)
    assert found.problem is None


@FEW
@given(rulesets(), letters(), RECIPIENTS)
def test_the_same_letter_takes_the_same_way(rules: Ruleset, mail: Letter, recipient: Address) -> None:
    assert route(rules, mail, recipient) == route(rules, mail, recipient)


@FEW
@given(rulesets(), letters(), st.lists(RECIPIENTS, min_size=1, max_size=4))
def test_recipients_do_not_influence_each_other(rules: Ruleset, mail: Letter, recipients: list[Address]) -> None:
    assert route_all(rules, mail, recipients) == tuple(route(rules, mail, recipient) for recipient in recipients)


@FEW
@given(rulesets(), letters(), st.lists(RECIPIENTS, min_size=1, max_size=4))
def test_the_order_of_recipients_does_not_count(rules: Ruleset, mail: Letter, recipients: list[Address]) -> None:
    routes = route_all(rules, mail, recipients)
    merged = merge(routes)
    assert all(merge(order) == merged for order in itertools.permutations(routes))
    assert {place.inbox for place in merged.placements} == {team for each in routes for team in each.teams}


@FEW
@given(rulesets(), letters(), RECIPIENTS)
def test_a_trace_names_the_matched_rules_and_shows_short_lines(
    rules: Ruleset, mail: Letter, recipient: Address
) -> None:
    found = route(rules, mail, recipient)
    assert set(found.rules) == {t.rule for t in found.trace if t.did and not t.observed}
    assert all(len(seen.value) <= 200 and "\n" not in seen.value for t in found.trace for seen in t.seen)
    assert json.loads(trace_json(found))["teams"] == list(found.teams)


def check(text: str) -> tuple[Diagnostic, ...]:
    """Load whatever it is: no exception, and rules if and only if there is no error."""
    ruleset, found = load(text, "rules.yaml", read_list, today=TODAY)
    assert (ruleset is None) == any(d.severity == "error" for d in found)
    for each in found:
        assert each.line >= 1
        assert each.column >= 1
        assert str(each).isprintable()
    return found


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300))
def test_any_text_yields_diagnostics_and_never_an_exception(text: str) -> None:
    assert check(text)


PIECES = st.sampled_from(list("{}[]'\"|>0~@#+\t\n\0\ud800é")) | st.sampled_from(
    [": ", "- ", "  ", "&a ", "*a ", "!!x ", "true", "<<: ", "? ", "{list: x}", "%YAML 1.1\n", "--- \n"]
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = EXAMPLE
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES | st.just("")) + text[at + draw(st.integers(0, 12)) :]
    return text


@settings(max_examples=80, deadline=None)
@given(damaged())
def test_a_damaged_file_yields_diagnostics_and_never_an_exception(text: str) -> None:
    check(text)


LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["info", "kita", "x", "a@b.example", "2026-01-01"])
)
KEYS = st.sampled_from(
    [
        "name",
        "id",
        "when",
        "then",
        "to",
        "from",
        "subject",
        "is",
        "list",
        "file",
        "team",
        "tag",
        "any",
        "mail",
        "expect",
    ]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
SECTIONS = [
    "organisation",
    "domains",
    "teams",
    "fallback",
    "addresses",
    "lists",
    "templates",
    "rules",
    "tests",
    "version",
]


def flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return "null" if value is None else str(value).lower()


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(SECTIONS), VALUES)
def test_any_shape_of_any_section_yields_diagnostics_and_never_an_exception(section: str, value: Any) -> None:
    check(completed(f"{section}: {flow(value)}\n"))


@settings(max_examples=80, deadline=None)
@given(VALUES, VALUES)
def test_any_shape_of_a_rule_yields_diagnostics_and_never_an_exception(when: Any, then: Any) -> None:
    check(completed(f"rules: [{{id: r, when: {flow(when)}, then: {flow(then)}}}]\n"))
