"""What tells without trying all rules that a letter fares alike says the same as trying them all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from maild.mail.address import Address, parse_address
from maild.mail.authentication import Verdicts
from maild.mail.reading import facts_of, head_facts_of
from maild.rules.engine import route_all
from maild.rules.loader import load
from maild.rules.model import Letter, Ruleset
from maild.rules.plan import Tried
from maild.rules.route import Route
from maild.rules.untouched import untouched

MESSAGES = Path(__file__).parent.parent / "messages"
RULES = """\
version: 1
organisation: {name: X, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  poststelle: {name: Poststelle, hours: {mon-fri: 08:00-16:00}}
  kita: {name: Kita, parent: poststelle}
  leitung: {name: Leitung}
  archiv: {name: Archiv, also_deliver: [{forward: archiv@kreis.example}]}
fallback: poststelle
unknown_recipient: fallback
addresses:
  info: {team: poststelle, aliases: [auskunft]}
  kita: {team: kita}
  archiv: {team: archiv}
rules:
  - {id: rein, when: {from: "@gesperrt.example"}, then: {reject: Nein}}
  - {id: eilt, when: {subject: eilt}, then: {copy: leitung, tag: eilt}}
  - {id: nachts, when: {office_hours: false, subject: {contains: nacht}}, then: {deliver: leitung}, continue: true}
  - {id: bericht, when: {bounce: true}, then: {tag: bericht}}
  - {id: vertraulich, when: {subject: geheim, to: kita}, then: {confidential: true}}
  - {id: bilder, when: {attachment: {type: "image/*"}}, then: {tag: bild, priority: high}}
  - {id: text, when: {text: [frist, antrag]}, unless: {auto_submitted: true}, then: {tag: frist}}
  - {id: liste, when: {list: true}, then: {file: closed}}
  - {id: rest, when: {language: de}, then: {assign: amsel}}
"""
CHANGES = {
    "nothing": ("{tag: frist}", "{tag: frist}"),
    "a note": ("- {id: eilt, ", "- {id: eilt, note: Es eilt., "),
    "another tag": ("tag: eilt}", "tag: rot}"),
    "another word": ("{subject: eilt}", "{subject: [eilt, nacht]}"),
    "a word of the text": ("[frist, antrag]", "[antrag]"),
    "another place": ("deliver: leitung}, continue", "deliver: kita}, continue"),
    "the end of it all": ("deliver: leitung}, continue: true", "deliver: leitung}"),
    "less refused": ("{reject: Nein}", "{tag: gesperrt}"),
    "a rule on trial": ("- {id: bericht, ", "- {id: bericht, mode: observe, "),
    "a rule for some time": ("- {id: eilt, ", "- {id: eilt, active: {until: 2026-02-01}, "),
    "less hidden": ("then: {confidential: true}", "then: {tag: geheim}"),
    "a rule more": ("rules:\n", "rules:\n  - {id: neu, when: {to: info}, then: {file: closed}}\n"),
    "a name": ("id: eilt,", "id: eile,"),
    "an address": ("kita: {team: kita}", "kita: {team: leitung}"),
    "an alias": ("[auskunft]", "[auskunft, niemand]"),
    "an address less": ("  archiv: {team: archiv}\n", ""),
    "an acknowledgement": ("info: {team: poststelle, ", "info: {acknowledge: da, team: poststelle, "),
    "another parent": ("{name: Kita, parent: poststelle}", "{name: Kita, parent: leitung}"),
    "a team more": ("teams:\n", "teams:\n  presse: {name: Presse}\n"),
    "a team's other place": ("{forward: archiv@kreis.example}", "{forward: archiv2@kreis.example}"),
    "the hours of a team": ("08:00-16:00", "02:00-23:00"),
    "the fallback": ("fallback: poststelle", "fallback: leitung"),
    "no fallback for strangers": ("unknown_recipient: fallback", "unknown_recipient: reject"),
}
RECIPIENTS = tuple(
    parse_address(f"{name}@musterstadt.example") for name in ("info", "auskunft+7", "kita", "archiv", "niemand")
)
SUBJECTS = (b"Es eilt", b"Heute Nacht", b"geheim", b"Guten Tag", b"eilt, geheim, Nacht", b"")
BODIES = (b"Bitte beachten Sie die Frist, vielen Dank.\r\n", b"x\r\n")
HEADS = (b"", b"List-Id: <a.b>\r\n", b"Auto-Submitted: auto-replied\r\n", b"From: a@gesperrt.example\r\n")


def rules(text: str) -> Ruleset:
    text += "templates: {da: {subject: Da, text: Da}}\n"
    ruleset, found = load(text, "rules.yaml", today=date(2026, 1, 1))
    assert ruleset is not None, found
    return ruleset


def letters() -> list[bytes]:
    made = [
        b"Subject: %b\r\n%b\r\n%b" % (subject, head, body) for subject in SUBJECTS for head in HEADS for body in BODIES
    ]
    return [*made, *(path.read_bytes() for path in sorted(MESSAGES.glob("*.eml")))]


def letter(octets: bytes, *, body: bool, day: int) -> Letter:
    null_path = day % 2 == 0
    facts = facts_of(octets, null_path=null_path) if body else head_facts_of(octets)
    at = datetime(2026, 1 + day % 4, 5, 3 + 5 * (day % 4), tzinfo=UTC)
    sender = None if null_path else Address(local="a", domain="b.example")
    return Letter(facts=facts, reverse_path=sender, received_at=at, verdicts=Verdicts())


def fate(ruleset: Ruleset, route: Route) -> tuple[object, ...]:
    if not ruleset.accepts(route.recipient) or route.rejected is not None:
        return ([],)
    asks = {(duty.kind, duty.target) for duty in route.duties}
    return (sorted(route.inboxes), sorted(route.tags), route.priority, route.state, route.problem, asks)


# After these the second version is asked about every letter: the addresses or teams of all, or the end of the rules.
ALL_ANEW = {"another parent", "a team more", "a team's other place", "the hours of a team"}


def _all_but_steps(route: Route) -> Route:
    return replace(route, steps=())


def _did(step: Tried) -> bool:
    return bool(step.did) and not step.observed


@pytest.mark.parametrize("what", CHANGES)
def test_a_letter_that_is_told_to_fare_alike_does(what: str) -> None:
    assert RULES.count(CHANGES[what][0]) == 1
    old, new = rules(RULES), rules(RULES.replace(*CHANGES[what]))
    told = untouched(old, new)
    if told is None:
        assert what in ("the fallback", "no fallback for strangers")
        return
    alike = differing = along = 0
    for day, octets in enumerate(letters()):
        whole = letter(octets, body=True, day=day)
        seen = whole if told.reads_body else letter(octets, body=False, day=day)
        for recipient in RECIPIENTS:
            ((was,), (would,)) = (route_all(ruleset, whole, [recipient]) for ruleset in (old, new))
            same = fate(old, was) == fate(new, would) and (was.address is None) == (would.address is None)
            places = told.places(seen, [recipient], {})
            if places is not None:
                assert same, octets
                assert sorted(places[0]) == fate(old, was)[0]
                alike += 1
            differing += not same
            found = told.routes(whole, [recipient], (was,), {})
            if found is not None:
                ((derived,), along) = found, along + 1
                assert _all_but_steps(derived) == _all_but_steps(would), octets
                assert [each.rule for each in derived.trace] == [each.rule for each in would.trace if _did(each)]
    assert alike > 50
    assert along > 50 or what in ALL_ANEW
    assert (differing == 0) == (what in ("nothing", "a note", "a name", "a team more"))


def test_a_change_of_words_in_the_header_asks_for_no_body() -> None:
    without_language = RULES.replace("language: de", "subject: de")
    for what, reads_body in (("another tag", False), ("a word of the text", True), ("an address", False)):
        found = untouched(rules(without_language), rules(without_language.replace(*CHANGES[what])))
        assert found is not None
        assert found.reads_body == reads_body


def test_several_recipients_fare_alike_only_together() -> None:
    told = untouched(rules(RULES), rules(RULES.replace(*CHANGES["an address"])))
    assert told is not None
    seen = letter(b"Subject: x\r\n\r\nx", body=True, day=1)
    info, _, kita, archiv, _ = RECIPIENTS
    assert told.places(seen, [info, archiv], {}) == [("poststelle",), ("archiv",)]
    assert told.places(seen, [info, kita], {}) is None
