"""What somebody who reads only some teams is told of a route."""

from __future__ import annotations

import json

from maild.rules.conceal import Curtain, Told
from maild.rules.engine import route
from maild.rules.model import Ruleset
from maild.rules.recorded import read_recorded
from maild.rules.trace_form import trace_json
from tests.rules.samples import letter, rules_of, to

ADDRESSES = """teams:
  poststelle: {name: Zentrale Poststelle}
  kita: {name: Kita-Platzvergabe}
  leitung: {name: Leitung}
addresses:
  info: {team: poststelle}
  kita.platzvergabe: {team: kita, aliases: [kita]}
  vertraulich: {team: leitung, listed: false, aliases: [geheimsache]}
  alt: {retired: {since: 2026-06-30, successor: kita.platzvergabe}}
  altgeheim: {retired: {successor: vertraulich}}
"""
RULES = (
    ADDRESSES
    + """rules:
  - {id: an-leitung, when: {subject: dringend}, then: {copy: leitung}}
  - {id: leitung-eilt, when: {subject: dringend}, then: {copy: [leitung, poststelle], tag: eilt}}
  - {id: versteckt, when: {to: [kita.platzvergabe, geheimsache]}, then: {tag: amt}}
  - {id: probe, mode: observe, when: {subject: dringend}, then: {deliver: [leitung, kita], tag: t}}
  - {id: nach-kita, when: {to: [vertraulich, info]}, then: {copy: kita}}
"""
)


def told(teams: set[str], recipient: str, *, subject: str = "Dringend", now: Ruleset | None = None) -> Told | None:
    rules = rules_of(RULES)
    recorded = read_recorded(json.loads(trace_json(route(rules, letter(subject=subject), to(recipient)))))
    assert recorded is not None
    return Curtain(now or rules, frozenset(teams)).told(recorded)


def shown(teams: set[str], recipient: str, *, subject: str = "Dringend") -> Told:
    found = told(teams, recipient, subject=subject)
    assert found is not None
    return found


def test_a_route_to_others_alone_is_not_told_at_all() -> None:
    assert told({"kita"}, "info@musterstadt.example", subject="x") is not None  # a copy came
    assert told({"leitung"}, "info@musterstadt.example", subject="x") is None


def test_of_the_teams_only_ones_own_are_named_in_places_and_in_what_was_done() -> None:
    found = shown({"kita"}, "kita@musterstadt.example")
    assert found.route.teams == ("kita",)
    assert [(a.rule, a.did) for a in found.route.attempts] == [
        ("", ("tag eilt",)),
        ("versteckt", ("tag amt",)),
        ("probe", ("deliver kita", "tag t")),
        ("nach-kita", ()),
    ]
    assert "leitung" not in repr(found)


def test_whether_a_rule_is_left_out_does_not_tell_whether_it_matched() -> None:
    for recipient in ("kita@musterstadt.example", "info@musterstadt.example"):
        listed = [
            [attempt.line for attempt in shown({"kita"}, recipient, subject=subject).route.attempts]
            for subject in ("Dringend", "nichts")
        ]
        assert listed[0] == listed[1]


def test_a_rule_that_has_changed_since_is_judged_by_what_it_did() -> None:
    now = rules_of(RULES.replace("then: {copy: leitung}", "then: {tag: neu}"))
    found = told({"kita"}, "kita@musterstadt.example", now=now)
    assert found is not None
    assert "an-leitung" not in [attempt.rule for attempt in found.route.attempts]
    gone = told({"kita"}, "kita@musterstadt.example", now=rules_of(ADDRESSES))
    assert gone is not None
    assert "leitung" not in repr(gone)


def test_a_team_that_is_gone_is_not_named_by_a_rule_either() -> None:
    found = told({"kita"}, "kita@musterstadt.example", now=rules_of("teams: {poststelle: {name: P}, kita: {name: K}}"))
    assert found is not None
    assert "leitung" not in repr(found)


def test_who_reads_all_of_it_is_told_all_of_it() -> None:
    found = shown({"kita", "leitung", "poststelle"}, "kita@musterstadt.example")
    assert [attempt.rule for attempt in found.route.attempts] == [
        "an-leitung", "leitung-eilt", "versteckt", "probe", "nach-kita",
    ]  # fmt: skip
    assert found.route.attempts[2].conditions[0].label == "to is kita.platzvergabe | geheimsache"


def test_an_unlisted_address_of_others_is_named_nowhere() -> None:
    by_rule = shown({"kita"}, "kita@musterstadt.example")
    assert by_rule.route.attempts[1].conditions[0].label == ""
    as_recipient = shown({"kita"}, "Geheimsache@musterstadt.example")
    assert (as_recipient.known, as_recipient.home, as_recipient.route.recipient) == (False, None, "")
    for found in (by_rule, as_recipient):
        assert "geheimsache" not in repr(found).lower()
        assert "vertraulich" not in repr(found)


def test_a_listed_address_of_others_by_which_a_copy_came_is_named_and_its_team_is_not() -> None:
    found = shown({"kita"}, "info@musterstadt.example")
    assert (found.known, found.home, found.route.recipient) == (True, None, "info@musterstadt.example")
    assert "poststelle" not in repr(found)


def test_how_the_address_leads_to_its_team_is_told() -> None:
    alias = shown({"kita"}, "Kita+x@musterstadt.example")
    assert (alias.alias, alias.home, alias.retired) == (True, "kita", None)
    retired = shown({"kita"}, "alt@musterstadt.example")
    assert retired.retired is not None
    assert (retired.alias, str(retired.retired.since), retired.retired.successor) == (
        False, "2026-06-30", "kita.platzvergabe",
    )  # fmt: skip


def test_an_address_that_is_gone_is_known_to_the_team_that_it_led_to_first() -> None:
    now = rules_of("teams: {poststelle: {name: P}, kita: {name: K}, leitung: {name: L}}")
    own = told({"kita"}, "kita@musterstadt.example", now=now)
    others = told({"kita"}, "geheimsache@musterstadt.example", now=now)
    assert own is not None
    assert own.known
    assert others is not None
    assert not others.known
    assert "geheimsache" not in repr(others.route.recipient)


SENT = (
    ADDRESSES
    + """templates: {frist: {text: x}}
rules:
  - {id: kopie, then: {copy: leitung}}
  - {id: weiter, when: {subject: dringend}, then: {forward: rat@kreis.example, reply: frist}}
  - {id: wem, when: {subject: dringend}, then: {assign: eva, tag: t}}
  - {id: halt, when: {subject: dringend}, then: {hold: Vorsicht}}
"""
)


def sent(teams: set[str], subject: str = "Dringend") -> list[tuple[str, tuple[str, ...]]]:
    rules = rules_of(SENT)
    recorded = read_recorded(
        json.loads(trace_json(route(rules, letter(subject=subject), to("kita@musterstadt.example"))))
    )
    assert recorded is not None
    found = Curtain(rules, frozenset(teams)).told(recorded)
    assert found is not None
    return [(attempt.rule, attempt.did) for attempt in found.route.attempts]


def test_where_a_letter_is_sent_on_is_told_to_the_readers_of_its_place() -> None:
    assert sent({"kita"}) == [
        ("weiter", ("forward rat@kreis.example", "reply frist")),
        ("wem", ("tag t", "assign eva")),
        ("halt", ("hold",)),
    ]


def test_who_reads_only_a_copy_learns_neither_where_it_is_sent_nor_whose_it_is() -> None:
    assert sent({"leitung"}) == [("kopie", ("copy leitung",)), ("wem", ("tag t",)), ("halt", ("hold",))]
    assert sent({"leitung"}, "nichts") == [("kopie", ("copy leitung",)), ("wem", ()), ("halt", ())]
