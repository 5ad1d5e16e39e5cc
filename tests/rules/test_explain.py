from __future__ import annotations

import json

from maild.mail.address import Address
from maild.rules.engine import route
from maild.rules.explain import render_route
from maild.rules.recorded import read_recorded
from maild.rules.route import Route
from maild.rules.trace_form import trace_json
from tests.rules.samples import WHOLE, letter, rules_of, to
from tests.rules.test_engine import broken

RULES = rules_of(
    WHOLE
    + """rules:
  - {id: eilt, when: {to: kita.platzvergabe, subject: dringend}, then: {copy: leitung, tag: eilt, priority: high}}
  - {id: wort, when: {text: hilfe}, then: {tag: hilfe}}
  - {id: probe, mode: observe, then: {deliver: poststelle}}
  - {id: advent, active: {until: 2020-12-24}, then: {tag: advent}}
"""
)


def render_trace(found: Route) -> str:
    recorded = read_recorded(json.loads(trace_json(found)))
    assert recorded is not None
    return render_route(recorded)


def test_a_trace_tells_each_rule_each_condition_and_what_was_done() -> None:
    found = route(RULES, letter(subject="Dringend", source_only="depth"), to("kita@a.example"))
    assert (
        render_trace(found)
        == """\
kita@a.example (address kita.platzvergabe)
  rule eilt (line 17): yes
    yes          to is kita.platzvergabe    saw 'kita@a.example'
    yes          subject contains dringend  saw 'Dringend'
    did          copy leitung; tag eilt; priority high
  rule wort (line 18): cannot tell
    cannot tell  text contains hilfe  saw nothing
  rule probe (line 19, observing): yes
    would        deliver poststelle
  rule advent (line 20): not in force
  goes to: kita, leitung
  tags: eilt
  priority high, open"""
    )


def test_a_trace_of_an_unknown_recipient_says_who_takes_it() -> None:
    text = render_trace(route(rules_of(WHOLE), letter(), to("wer@a.example")))
    assert text.splitlines()[0] == "wer@a.example (no address of ours: the fallback takes it)"
    assert "  no rule was tried" in text


def test_a_trace_of_a_fault_names_it() -> None:
    text = render_trace(route(broken(), letter(), to("kita@a.example")))
    assert "  problem: UnicodeEncodeError in the rules; the mail stays with the team of its address" in text


def test_nothing_a_mail_holds_reaches_the_terminal_as_a_control() -> None:
    hostile = "dringend\x1b]0;x\x07\u202e\r\n"
    found = route(RULES, letter(subject=hostile), Address(local="kita+\x1b[2J\u2028", domain="a.example"))
    text = render_trace(found)
    assert all(c.isprintable() for line in text.split("\n") for c in line)
