"""What rules, addresses and teams ask for beyond a place: each action, both outcomes, observing, continuing."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from maild.mail.facts import Automatic
from maild.rules.duties import Duty
from maild.rules.engine import merge, route, route_all
from maild.rules.model import Comparison, Rule, Ruleset, State
from maild.rules.requested import Maildir
from maild.rules.route import Route
from maild.rules.trace_form import trace_json
from tests.rules.samples import letter, rules_of, to

HEAD = """domains: [a.example, b.example]
teams:
  poststelle: {name: Zentrale Poststelle, also_deliver: [{maildir: /var/mail/post}, {forward: post@kreis.example}]}
  kita: {name: Kita-Platzvergabe}
  leitung:
    name: Leitung
    also_deliver:
      - {lmtp: '[::1]:2424'}
      - {lmtp: /run/lmtp.sock}
      - {imap: {host: imap.example, user: k@b, folder: Ä/b c}}
addresses:
  info: {team: poststelle, acknowledge: eingang}
  kita: {team: kita}
templates:
  eingang: {text: x}
  frist: {text: y}
rules:
"""


def rules(*written: str) -> Ruleset:
    return rules_of(HEAD + "".join(f"  - {text}\n" for text in written) + "  - {id: z, then: {reply: frist, tag: z}}\n")


def routed(*written: str, recipient: str = "kita@a.example", **facts: Any) -> Route:
    return route(rules(*written), letter(**facts), to(recipient))


ANSWERED = Duty("kita", "reply", "frist", "z")
# What a rule does, what of it stands in the trace, and the duties that come of it.
ACTIONS = [
    ("hold: true", "hold", [("hold", "")]),
    ("hold: '  Bitte  anrufen '", "hold", [("hold", "Bitte anrufen")]),
    ("forward: Eva@Kreis.example", "forward Eva@kreis.example", [("forward", "Eva@kreis.example")]),
    ("forward: [e@k.example, f@k.example, E@k.example]", "forward e@k.example, f@k.example",
     [("forward", "e@k.example"), ("forward", "f@k.example")]),
    ("reply: eingang", "reply eingang", [("reply", "eingang")]),
    ("assign: P.Muster", "assign p.muster", [("assign", "p.muster")]),
]  # fmt: skip


def _written(then: str, more: str = "") -> str:
    return f"{{id: r, when: {{subject: ja}}, then: {{{then}}}{more}}}"


@pytest.mark.parametrize("flag", ["", ", continue: true", ", stop: true"])
@pytest.mark.parametrize(("then", "did", "asked"), ACTIONS)
def test_an_action_of_a_rule_that_matches_becomes_a_duty_of_the_place(
    then: str, did: str, asked: list[tuple[str, str]], flag: str
) -> None:
    found = routed(_written(then, flag), subject="ja")
    goes_on = "continue" in flag or (not flag and did != "hold")
    expected = [Duty("kita", kind, target, "r") for kind, target in asked]
    assert list(found.duties) == expected + ([ANSWERED] if goes_on else [])
    assert (found.trace[0].did, found.actions[0]) == ((did,), did)
    assert ("z" in found.rules) is goes_on
    assert found.state is State.OPEN


@pytest.mark.parametrize("then", [action[0] for action in ACTIONS])
def test_an_action_of_a_rule_that_does_not_match_asks_for_nothing(then: str) -> None:
    assert routed(_written(then), subject="nein").duties == (ANSWERED,)


@pytest.mark.parametrize(("then", "did"), [action[:2] for action in ACTIONS])
def test_an_observing_rule_only_notes_what_it_would_ask_for(then: str, did: str) -> None:
    found = routed(_written(then, ", mode: observe"), subject="ja")
    assert found.duties == (ANSWERED,)
    assert (found.trace[0].did, found.trace[0].observed) == ((did,), True)
    assert f'"would":["{did}"]' in trace_json(found)


def test_a_hold_keeps_the_letter_open_in_the_team_of_its_address_whatever_was_filed_before() -> None:
    found = routed("{id: f, then: {file: closed}, continue: true}", "{id: h, then: {hold: true}}")
    assert (found.teams, found.state) == (("kita",), State.OPEN)
    assert found.rules == ("f", "h")


def test_a_hold_holds_in_every_inbox_of_the_letter() -> None:
    found = routed("{id: c, then: {copy: leitung}}", "{id: h, then: {deliver: poststelle, hold: x}}")
    assert found.teams == ("poststelle", "leitung")
    assert [d for d in found.duties if d.kind == "hold"] == [
        Duty("poststelle", "hold", "x", "h"),
        Duty("leitung", "hold", "x", "h"),
    ]


def test_what_is_sent_belongs_to_the_first_team_of_the_place_and_not_to_a_copy() -> None:
    found = routed(
        "{id: c, then: {copy: leitung, forward: e@k.example}}", "{id: d, then: {deliver: poststelle, assign: eva}}"
    )
    assert {d.team for d in found.duties if d.kind in ("forward", "assign")} == {"poststelle"}


def test_each_inbox_is_also_delivered_where_its_team_says() -> None:
    found = routed("{id: c, then: {copy: leitung}, stop: true}", recipient="info@a.example")
    assert found.duties == (
        Duty("poststelle", "also-deliver", "maildir:/var/mail/post", ""),
        Duty("poststelle", "also-deliver", "forward:post@kreis.example", ""),
        Duty("leitung", "also-deliver", "lmtp:[::1]:2424", ""),
        Duty("leitung", "also-deliver", "lmtp:/run/lmtp.sock", ""),
        Duty("leitung", "also-deliver", "imap:imap://k%40b@imap.example:993/%C3%84/b%20c", ""),
        Duty("poststelle", "acknowledge", "eingang", ""),
    )
    assert found.actions[-1] == "acknowledge eingang"
    assert rules().teams["poststelle"].also_deliver[0] == Maildir(path="/var/mail/post")


AUTOMATIC: list[dict[str, Any]] = [
    {"sender": None},
    {"auto_submitted": True},
    {"automatic": Automatic.AUTOMATIC},
    {"automatic": Automatic.REPORT},
    {"automatic": Automatic.LIST},
    {"list_id": "x"},
    {"header": {"List-Unsubscribe": "<mailto:x@y.example>"}},
    {"sender": "MAILER-DAEMON@k.example"},
    {"sender": "noreply@k.example"},
    {"sender": "owner-news@k.example"},
    {"sender": "news-request@k.example"},
    {"sender": "news-bounces@k.example"},
    {"sender": "info@b.example"},
    {"sender": "irgendwer@a.example"},
]


@pytest.mark.parametrize("how", AUTOMATIC)
def test_automatic_mail_gets_no_answer_and_the_trace_says_so(how: dict[str, Any]) -> None:
    assert "reply" in {d.kind for d in routed(recipient="info@a.example", sender="eva@k.example").duties}
    found = routed(recipient="info@a.example", **how)
    assert {d.kind for d in found.duties} == {"also-deliver"}
    assert found.trace[0].did == ("tag z", "reply frist (not to automatic mail)")


@pytest.mark.parametrize("limit", ["crash", "depth", "header"])
def test_what_leaves_of_a_letter_that_was_not_read_whole_is_held_and_its_sender_not_answered(limit: str) -> None:
    written = "{id: f, then: {forward: e@k.example, assign: eva}}"
    assert routed(written, source_only=limit).duties == (
        Duty("kita", "forward", "e@k.example", "f"),
        Duty("kita", "assign", "eva", "f"),
        Duty("kita", "hold", "", ""),
    )
    assert routed(source_only=limit).duties == ()
    closed = routed("{id: c, then: {file: closed}}", recipient="info@a.example", source_only=limit)
    assert closed.state is State.OPEN, "somebody has to see it to release it"


def test_a_fault_in_the_rules_holds_what_the_team_would_send_on() -> None:
    whole = rules()
    broken: Any = Comparison(source="subject", test=None, label="broken")  # type: ignore[arg-type]
    faulty = Ruleset(
        **{
            name: getattr(whole, name)
            for name in ("version", "organisation", "domains", "teams", "fallback", "unknown_recipient", "addresses")
        },
        rules=(Rule(id="x", line=1, when=broken, then=(), ends=False),),
    )
    found = route(faulty, letter(subject="x"), to("info@a.example"))
    assert found.problem is not None
    assert {(d.kind, d.target) for d in found.duties} == {
        ("also-deliver", "maildir:/var/mail/post"),
        ("also-deliver", "forward:post@kreis.example"),
        ("hold", ""),
    }


def test_the_duties_of_all_recipients_are_merged_without_doubles_in_any_order() -> None:
    whole = rules("{id: a, when: {to: kita}, then: {copy: poststelle, forward: e@k.example}}")
    recipients = [to("kita@a.example"), to("info@a.example"), to("info@b.example")]
    found = {
        merge(route_all(whole, letter(), order)).duties for order in itertools.permutations(recipients)
    }  # fmt: skip
    assert found == {
        (
            Duty("kita", "forward", "e@k.example", "a"),
            Duty("kita", "reply", "frist", "z"),
            Duty("poststelle", "acknowledge", "eingang", ""),
            Duty("poststelle", "also-deliver", "forward:post@kreis.example", ""),
            Duty("poststelle", "also-deliver", "maildir:/var/mail/post", ""),
            Duty("poststelle", "reply", "frist", "z"),
        )
    }


def test_the_same_words_go_out_once_though_a_rule_and_the_address_ask_for_them() -> None:
    found = merge([routed("{id: a, then: {reply: eingang}, stop: true}", recipient="info@a.example")])
    assert [(d.kind, d.target, d.rule) for d in found.duties if d.kind != "also-deliver"] == [("reply", "eingang", "a")]


def test_a_letter_that_asks_for_nothing_has_no_duties() -> None:
    plain = rules_of("addresses: {info: {team: poststelle}}\n")
    assert route(plain, letter(), to("info@musterstadt.example")).duties == ()
    assert json.loads(trace_json(routed(subject="x")))["actions"] == ["tag z", "reply frist"]
