"""The action `reject`: who is refused at the door, and what becomes of whom it is too late to refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.rules.engine import merge, route
from maild.rules.model import Letter, Outcome, Ruleset
from maild.rules.refusals import judge_by_envelope, judge_by_header, turned_away
from maild.rules.reject_reader import in_ascii
from tests.rules.samples import WHOLE, codes, letter, rules_of, to

YES, NO, UNKNOWN = Outcome.YES, Outcome.NO, Outcome.UNKNOWN
SPAM = "{id: spam, when: {sender: '@spam.example'}, then: {reject: Go away}}"
WORD = "{id: word, when: {subject: offer}, then: {reject: No offers}}"
FROM_SPAM: dict[str, Any] = {"sender": "x@spam.example"}
KITA = "kita.platzvergabe@a.example"


def with_rules(*rules: str) -> Ruleset:
    return rules_of(WHOLE + "rules:\n" + "".join(f"  - {rule}\n" for rule in rules))


def judged(rules: list[str], recipient: str = KITA, **facts: Any) -> tuple[Outcome, Outcome, bool]:
    """Return what RCPT says, what the end of the header says, and whether the router meets the refusal."""
    ruleset, mail, address = with_rules(*rules), letter(**facts), to(recipient)
    (early,), (late,) = judge_by_envelope(ruleset, mail, [address]), judge_by_header(ruleset, mail, [address])
    return early.outcome, late.outcome, route(ruleset, mail, address).rejected is not None


R = "{id: r, when: {%s}, then: {reject: x}}"
ENDS = "{id: ends, when: {%s}, then: {deliver: leitung}}"
TABLE: list[tuple[list[str], dict[str, Any], tuple[Outcome, Outcome, bool]]] = [
    ([SPAM], FROM_SPAM, (YES, YES, True)),
    ([SPAM], {}, (NO, NO, False)),
    ([WORD], {"subject": "An offer"}, (UNKNOWN, YES, True)),
    ([WORD], {"subject": "A question"}, (UNKNOWN, NO, False)),
    ([R % "to: kita.platzvergabe"], {}, (YES, YES, True)),
    ([R % "to: info"], {}, (NO, NO, False)),
    ([R % "detail: x"], {"recipient": "kita+x@a.example"}, (YES, YES, True)),
    ([R % "from: '@firma.example'"], {}, (UNKNOWN, YES, True)),
    ([R % "header: {X-A: a}"], {"header": {"X-A": "a"}}, (UNKNOWN, YES, True)),
    ([R % "size: {larger_than: 5MB}"], {"size_bytes": 6_000_000}, (UNKNOWN, YES, True)),
    ([R % "spf: fail"], {"verdicts": {"spf": "fail"}}, (UNKNOWN, YES, True)),
    ([R % "dkim: none"], {"verdicts": {"dkim": "temperror"}}, (UNKNOWN, UNKNOWN, False)),
    ([R % "dmarc: fail"], {"verdicts": {"dmarc": "fail"}}, (UNKNOWN, YES, True)),
    ([R % "auto_submitted: true"], {"auto_submitted": True}, (UNKNOWN, YES, True)),
    ([R % "list: true"], {"list_id": "x"}, (UNKNOWN, YES, True)),
    ([R % "bounce: false"], {}, (UNKNOWN, YES, True)),
    # A report of before RFC 3464 is known by its parts alone, and comes from nobody.
    ([R % "bounce: false"], {"sender": None, "header": {"Content-Type": "multipart/mixed; boundary=b"}},
     (UNKNOWN, UNKNOWN, True)),
    ([R % "bounce: false"], {"sender": None, "header": {"Content-Type": "text/plain"}}, (UNKNOWN, YES, True)),
    ([R % "bounce: false"], {"header": {"Content-Type": "multipart/mixed; boundary=b"}}, (UNKNOWN, YES, True)),
    # An unknown subject is not an empty one.
    ([R % "subject: {regex: '^$'}"], {"subject": ""}, (UNKNOWN, YES, True)),
    ([R % "subject: {is: ''}"], {"subject": "a"}, (UNKNOWN, NO, False)),
    ([R % "list: false"], {"list_id": "x"}, (UNKNOWN, NO, False)),
    ([R % "none: {subject: a}"], {"subject": "a"}, (UNKNOWN, NO, False)),
    ([R % "size: {smaller_than: 1kB}"], {"size_bytes": 2_000}, (UNKNOWN, NO, False)),
    # `unless` and rules above.
    (["{id: r, when: {to: kita}, unless: {list: true}, then: {reject: x}}"], {}, (NO, NO, False)),
    ([SPAM.replace("then", "unless: {bounce: true}, then")], FROM_SPAM, (UNKNOWN, YES, True)),
    ([ENDS % "sender: '@spam.example'", SPAM], FROM_SPAM, (NO, NO, False)),
    ([ENDS % "subject: x", SPAM], FROM_SPAM, (UNKNOWN, YES, True)),
    ([ENDS % "subject: x", SPAM], FROM_SPAM | {"subject": "x"}, (UNKNOWN, NO, False)),
    ([ENDS % "text: x", SPAM], FROM_SPAM, (UNKNOWN, UNKNOWN, True)),
    ([ENDS % "attachment: {name: '*'}", SPAM], FROM_SPAM, (UNKNOWN, UNKNOWN, True)),
    ([ENDS % "office_hours: true", SPAM], FROM_SPAM, (UNKNOWN, UNKNOWN, True)),  # nobody has hours: it cannot be told
    ([ENDS % "text: x", "{id: t, when: {text: y}, then: {tag: t}}", WORD], {}, (UNKNOWN, NO, False)),
    (["{id: t, when: {text: x}, then: {tag: t}}", SPAM], FROM_SPAM, (YES, YES, True)),
    ([WORD, SPAM], FROM_SPAM, (YES, YES, True)),  # refused, by whichever of the two
    ([(ENDS % "sender: '@spam.example'").replace("}}", "}, continue: true}"), SPAM], FROM_SPAM, (YES, YES, True)),
    # A rule that only watches, or is not in force.
    ([SPAM.replace("then", "mode: observe, then")], FROM_SPAM, (NO, NO, False)),
    ([ENDS.replace("then", "mode: observe, then") % "text: x", SPAM], FROM_SPAM, (YES, YES, True)),
    ([SPAM.replace("then", "active: {until: 2026-05-31}, then")], FROM_SPAM, (NO, NO, False)),
    ([SPAM.replace("then", "active: {from: 2026-06-01}, then")], FROM_SPAM, (YES, YES, True)),
    # Complaints arrive.
    ([SPAM], FROM_SPAM | {"recipient": "Postmaster@a.example"}, (NO, NO, False)),
    ([SPAM], FROM_SPAM | {"recipient": "abuse+x@b.example"}, (NO, NO, False)),
    # A header that was not read to its end.
    ([WORD], {"subject": "offer", "source_only": "header"}, (UNKNOWN, UNKNOWN, True)),
    ([SPAM], {"sender": None}, (NO, NO, False)),
    ([R % "sender: <>"], {"sender": None}, (YES, YES, True)),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "facts", "expected"), TABLE)
def test_a_recipient_is_refused_as_soon_as_it_is_certain(
    rules: list[str], facts: dict[str, Any], expected: tuple[Outcome, Outcome, bool]
) -> None:
    assert judged(rules, **facts) == expected


def test_what_is_too_late_to_refuse_is_held_by_the_team_of_the_address() -> None:
    early = "{id: early, when: {sender: '@spam.example'}, then: {copy: leitung, tag: t, priority: high}}"
    ruleset, mail = with_rules(early, SPAM), letter(**FROM_SPAM)
    found = route(ruleset, mail, to())
    assert found.teams == ("kita",)
    assert found.problem == "rejected by rule spam for this recipient, held"
    assert found.rejected == "Go away"
    assert (found.tags, found.rules) == ((), ("early", "spam"))
    assert found.trace[-1].did == ("reject Go away",)
    others = route(ruleset, mail, to("postmaster@a.example"))
    assert (others.teams, others.problem, others.trace[-1].did) == (("poststelle", "leitung"), None, ())
    assert merge([found, others]).problem == found.problem


A, B = "kita@a.example", "info@a.example"


@pytest.mark.parametrize(
    ("rules", "recipients", "facts", "refused"),
    [
        ([SPAM], [A, B], FROM_SPAM, [True, True]),
        ([WORD], [A, B], {"subject": "offer"}, [True, True]),
        ([R % "to: info"], [A, B], {}, [False, True]),
        # Not for all at the end: accepted for all, and held.
        ([R % "to: info, subject: offer"], [A, B], {"subject": "offer"}, [False, False]),
        ([WORD], [A, "abuse@a.example"], {"subject": "offer"}, [False, False]),
        # Those that RCPT refused are out of it.
        ([R % "to: info", WORD], [A, B], {"subject": "offer"}, [True, True]),
        (["{id: r, when: {to: info}, then: {tag: x}}"], [A], {}, [False]),
        ([SPAM], [], {}, []),
    ],
)  # fmt: skip
def test_a_transaction_is_refused_at_its_end_when_all_are(
    rules: list[str], recipients: list[str], facts: dict[str, Any], refused: list[bool]
) -> None:
    found = turned_away(with_rules(*rules), letter(**facts), [to(text) for text in recipients])
    assert [judged is not None for judged in found] == refused


CONDITIONS = st.sampled_from(
    ["to: info", "sender: '@x.example'", "subject: a", "text: b", "list: true", "spf: fail", "reply: true",
     "none: [{subject: a}]", "any: [{sender: <>}, {text: b}]", "size: {larger_than: 10}"]
)  # fmt: skip
REFUSING = CONDITIONS.filter(lambda text: "text" not in text and "reply" not in text)


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    rules = []
    for number in range(draw(st.integers(1, 5))):
        refuses = draw(st.booleans())
        when = draw(REFUSING if refuses else CONDITIONS)
        unless = draw(st.sampled_from(["", ", unless: {list: true}", ", unless: {sender: '@x.example'}"]))
        then = "reject: x" if refuses else draw(st.sampled_from(["deliver: leitung", "tag: a", "file: closed"]))
        more = draw(st.sampled_from(["", "", ", stop: true", ", mode: observe"]))
        rules.append(f"{{id: r{number}, when: {{{when}}}{unless}, then: {{{then}}}{more}}}")
    return with_rules(*rules)


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    return letter(
        sender=draw(st.sampled_from([None, "a@x.example", "a@y.example"])),
        subject=draw(st.sampled_from(["", "a", "b"])),
        text=draw(st.sampled_from(["", "b"])),
        list_id=draw(st.sampled_from([None, "l"])),
        verdicts={"spf": draw(st.sampled_from(["none", "fail", "temperror"]))},
        reply=draw(st.sampled_from([None, True, False])),
        size_bytes=draw(st.sampled_from([5, 50])),
        source_only=draw(st.sampled_from([None, None, "depth", "crash"])),
    )


@settings(max_examples=150, deadline=None)
@given(rulesets(), letters(), st.sampled_from([A, B, "abuse@a.example"]))
def test_knowing_more_confirms_what_was_certain(rules: Ruleset, mail: Letter, recipient: str) -> None:
    address = to(recipient)
    (early,), (late,) = judge_by_envelope(rules, mail, [address]), judge_by_header(rules, mail, [address])
    whole = YES if route(rules, mail, address).rejected is not None else NO
    if mail.facts.source_only != "crash":  # of such a header nothing at all is certain
        assert early.outcome in (UNKNOWN, late.outcome)
    assert late.outcome in (UNKNOWN, whole)
    assert early.outcome in (UNKNOWN, whole)


@pytest.mark.parametrize(
    ("written", "sent"),
    [("Für Ämter: groß \u2013 5 €", "Fuer Aemter: gross - 5 EUR"), ("Café Ñandú", "Cafe Nandu"),
     ("„So“ … \u201anicht\u2018", "\"So\" ... 'nicht'"), ("fu\u0308r", "fuer"), ("ﬁne", "fine"),
     ("Привет", None), ("a\nb", None), ("a\tb", None), ("a\x00", None), ("日本", None)],
)  # fmt: skip
def test_a_text_for_the_sender_is_spelt_in_ascii(written: str, sent: str | None) -> None:
    assert in_ascii(written) == sent


REJECT = "rules:\n  - id: r\n    when: {when}\n    then: {{reject: {text}}}\n"


@pytest.mark.parametrize("key", ["text: a", "attachment: a", "language: de", "reply: true", "office_hours: true"])
@pytest.mark.parametrize("nested", ["{%s}", "{any: [{to: abuse}, {%s}]}", "{all: {none: {%s}}}"])
def test_what_is_not_known_at_the_door_is_no_reason_to_refuse(key: str, nested: str) -> None:
    found = codes(REJECT.format(when=nested % key, text="x"))
    assert "reject-too-late" in found


@pytest.mark.parametrize(
    ("text", "fine"), [("x" * 200, True), ("x" * 201, False), ("''", False), ("' '", False), ("Ä" * 101, False)]
)
def test_a_text_for_the_sender_fits_a_reply(text: str, fine: bool) -> None:
    assert codes(REJECT.format(when="{to: abuse}", text=text)) == ([] if fine else ["bad-reject"])


TESTED = "tests:\n  - name: t\n    mail: {{from: {author}, to: {to}}}\n    expect: {expect}\n"


@pytest.mark.parametrize(
    ("author", "recipients", "expect", "passes"),
    [
        ("a@spam.example", A, "{rejected: true}", True),
        ("a@spam.example", A, "{rejected: true, rules: [spam]}", True),
        ("a@spam.example", A, "{rejected: true, rules: []}", False),
        ("a@spam.example", A, "{teams: [kita]}", False),
        ("a@spam.example", f"[{A}, abuse@a.example]", "{rejected: true}", False),
        ("a@b.example", A, "{rejected: true}", False),
        ("a@b.example", A, "{rejected: false}", True),
    ],
)
def test_a_test_says_who_is_rejected(author: str, recipients: str, expect: str, passes: bool) -> None:
    found = codes(WHOLE + f"rules:\n  - {SPAM}\n" + TESTED.format(author=author, to=recipients, expect=expect))
    assert ("failed-test" not in found) == passes
