"""A test made of a message: it has the message's outcome, and of its people as little as that allows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.facts import Automatic, Mailbox
from maild.mail.inbox import team_of
from maild.rules.engine import merge, route_all
from maild.rules.loader import load
from maild.rules.making_tests import Kept, Written, write_test
from maild.rules.model import Ruleset
from maild.rules.redaction import masked
from maild.rules.tests_section import UnfitError, appended
from tests.rules.samples import WHOLE, completed, letter, read_list, rules_of, to

KITA, INFO = to("kita@a.example"), to("info@a.example")
LETTER = """Guten Tag Frau Sommer,

mein Sohn Jonas braucht dringend einen Platz, rufen Sie mich an: 0171 2345678.
Meine IBAN ist DE89 3704 0044 0532 0130 00, schreiben Sie an max.winter@firma.example.

Mit freundlichen Grüßen
Max Winter
Tel. 0171 2345678
"""
SECRETS = ("winter", "sommer", "jonas", "0171", "2345678", "3704", "firma.example", "grüßen", "max")


def source(rules: str) -> str:
    return completed(f"{WHOLE}rules:\n{rules}")


def made(rules: str, *recipients: Any, **facts: Any) -> Written:
    facts.setdefault("senders", (Mailbox(name="Max Winter", mail="max.winter@firma.example"),))
    facts.setdefault("sender", "max.winter@firma.example")
    facts.setdefault("subject", "Dringend: Platz für Jonas Winter")
    facts.setdefault("text", LETTER)
    mail = letter(**facts)
    ruleset = rules_of(f"{WHOLE}rules:\n{rules}")
    written = write_test(ruleset, mail, recipients or (KITA,))
    if written.entry:
        assert_same(source(rules), written.entry, ruleset, mail, recipients or (KITA,))
    return written


def assert_same(text: str, entry: str, ruleset: Ruleset, mail: Any, recipients: Any) -> None:
    loaded, found = load(appended(text, entry), "rules.yaml", read_list)
    assert loaded is not None, ("\n".join(map(str, found)), entry)
    (test,) = loaded.tests
    there, here = (merge(route_all(ruleset, m, r)) for m, r in ((test.letter, test.recipients), (mail, recipients)))
    assert there == here
    assert test.expect.teams == frozenset(team_of(place.inbox) for place in here.placements)
    assert test.expect.tags == frozenset(tag for place in here.placements for tag in place.tags)
    assert test.expect.rules == frozenset(here.rules)


def test_of_a_message_only_what_rules_looked_at_is_left() -> None:
    rules = "  - {id: eilt, when: {subject: dringend, text: platz}, then: {copy: leitung, tag: eilt, priority: high}}\n"
    written = made(rules)
    assert written.entry == (
        '- name: "Brief an kita.platzvergabe vom 2026-06-01"\n'
        "  mail:\n"
        '    from: "a@example.org"\n'
        '    to: ["kita@a.example"]\n'
        '    subject: "Dringend …"\n'
        '    text: "… Platz …"\n'
        "  expect:\n"
        '    teams: ["kita", "leitung"]\n'
        '    tags: ["eilt"]\n'
        '    rules: ["eilt"]\n'
        '    priority: "high"\n'
    )
    assert written.kept == ()


RULES = {
    "domain": ('{from: "@firma.example"}', "from", '"a@firma.example"  # kept, because rule r looks at it'),
    "address": ("{from: max.winter@firma.example}", "from", '"max.winter@firma.example"  # kept, because rule r looks'),
    "envelope": ('{sender: "@firma.example"}', "from", '"a@firma.example"  # kept, because rule r looks at it'),
    "glob": ("{subject: {matches: 'dringend*platz*'}}", None, 'subject: "Dringend: Platz für Jonas Winter"'),
    "start": ("{subject: {starts: 'dringend: p'}}", None, 'subject: "Dringend: P …"'),
    "end": ("{subject: {ends: winter}}", None, 'subject: "… Winter"'),
    "number": ("{text: {regex: '\\b0\\d{3} \\d{7}\\b'}}", None, 'text: "… 0000 0000000 …"'),
    "account": ("{text: {regex: '\\bDE\\d\\d [\\d ]+'}}", None, "DE00 0000 0000 0000 0000 00"),
    "language": ("{language: de}", "text", "looks at it"),
    "attachment": ("{attachment: {name: '*.pdf'}}", "attachment", '[{"name": "1.pdf", "type": "application/pdf",'),
    "file": ("{attachment: {name: 'winter*'}}", "attachment", '"Winter.pdf"'),
    "header": ("{header: {X-Amt: eilig}}", "header", '{"x-amt": "… eilig …"}'),
    "size": ("{size: {larger_than: 5kB}}", "size", "size: 7000"),
    "detail": ("{detail: winter}", "to", '"kita+winter@a.example"'),
    "list": ("{list: true}", None, "list: true"),
    "bounce": ("{bounce: true}", None, "bounce: true"),
    "hours": ("{office_hours: true}", "received", 'received: "2026-06-01 12:00"'),
    "nothing": ("{from: '@anders.example'}", None, '"a@example.org"'),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_needs_is_kept_and_said(name: str) -> None:
    when, part, said = RULES[name]
    facts: dict[str, Any] = {"attachment": [("Winter.pdf", "application/pdf", 9)], "size_bytes": 7000}
    facts["header"] = {"X-Amt": "Herr Winter ist eilig unterwegs"}
    marks: dict[str, dict[str, Any]] = {"list": {"list_id": "x"}, "bounce": {"automatic": Automatic.REPORT}}
    facts |= marks.get(name, {})
    recipient = to("kita+winter@a.example") if name == "detail" else KITA
    hours = WHOLE.replace("jugendamt: {name: Jugendamt}", "jugendamt: {name: J, hours: {mon-tue: 08:00-16:00}}")
    rules = f"  - {{id: r, when: {when}, then: {{tag: t}}}}\n"
    ruleset = rules_of(f"{hours}rules:\n{rules}")
    facts |= {"senders": (Mailbox(name="Max Winter", mail="max.winter@firma.example"),), "text": LETTER}
    mail = letter(sender="max.winter@firma.example", subject="Dringend: Platz für Jonas Winter", **facts)
    written = write_test(ruleset, mail, (recipient,))
    assert said in written.entry
    assert [kept.part for kept in written.kept] == ([part] if part else [])
    assert written.kept == () or written.kept[0].rules == ("r",)
    assert_same(completed(f"{hours}rules:\n{rules}"), written.entry, ruleset, mail, (recipient,))
    assert "2345678" not in written.entry
    assert "3704" not in written.entry


def test_nothing_personal_is_left_where_no_rule_needs_it() -> None:
    rules = (
        "  - {id: r, when: {language: de}, then: {tag: t}}\n  - {id: s, when: {text: [sohn, platz]}, then: {tag: u}}\n"
    )
    written = made(rules, KITA, INFO)
    assert [word for word in SECRETS if word in written.entry.lower()] == []
    assert written.kept == (Kept("text", ("r", "s")),)


def test_what_no_test_can_say_makes_none() -> None:
    assert made("  - {id: r, when: {text: x}, then: {tag: t}}\n", source_only="depth", text="").entry != ""
    rules = "  - {id: r, when: {header: {X-A: [a, b]}}, unless: {header: {X-A: c}}, then: {tag: t}}\n"
    assert made(rules, header={"X-A": "a"}).entry != ""
    two = (Mailbox(name="", mail="a@eins.example"), Mailbox(name="", mail="b@zwei.example"))
    rules = "  - {id: r, when: {all: [{from: '@eins.example'}, {from: '@zwei.example'}]}, then: {tag: t}}\n"
    assert made(rules, senders=two) == Written(entry="", kept=())


def test_a_person_has_one_placeholder_and_others_have_theirs() -> None:
    written = made("  - {id: r, then: {tag: t}}\n", sender="other@firma.example")
    assert 'from: "a@example.org"\n    sender: "b@example.org"' in written.entry
    assert "sender:" not in made("  - {id: r, then: {tag: t}}\n", sender="Max.Winter@firma.example").entry
    assert 'sender: "<>"' in made("  - {id: r, then: {tag: t}}\n", sender=None).entry


def test_an_office_of_ours_is_no_person_and_a_person_of_ours_is_one() -> None:
    ours = (Mailbox(name="", mail="info@a.example"),)
    assert 'from: "info@a.example"' in made("  - {id: r, then: {tag: t}}\n", senders=ours).entry
    person = (Mailbox(name="", mail="hans.mueller@a.example"),)
    assert 'from: "a@a.example"' in made("  - {id: r, then: {tag: t}}\n", senders=person).entry


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Ruf 0171/23 45 67 oder +49 (30) 1234-5", "Ruf 0000/00 00 00 oder +00 (00) 0000-0"),
        ("IBAN DE89370400440532013000.", "IBAN DE00000000000000000000."),
        ("an <a.b@c.example>, https://x.example/?id=7", "an <a@example.org>, https://example.org/"),
        ("Herr Winter und winter, Winterthur", "Herr … und …, Winterthur"),
        ("Am 3. 5. um 9 Uhr, Zimmer 12", "Am 3. 5. um 9 Uhr, Zimmer 12"),
    ],
)
def test_what_names_or_reaches_a_person_is_masked(text: str, left: str) -> None:
    assert masked(text, ["Winter"]) == left


WORD = st.sampled_from(["dringend", "Platz", "Winter", "0171 2345678", "straße", "…", "\u2028", '"', "\\", "\x85", "ﬁ"])
TEXT = st.lists(WORD, max_size=5).map(" ".join)
CONDITION = st.one_of(
    st.tuples(st.sampled_from(["subject", "text"]), st.sampled_from(["contains", "starts", "ends", "is", "matches"]),
              st.sampled_from(["dringend", "platz", "*platz*", "winter", "strasse", "0171*"])).map(
        lambda c: f"{c[0]}: {{{c[1]}: '{c[2]}'}}"),
    st.sampled_from(["from: '@firma.example'", "list: true", "to: kita", "language: de", "size: {larger_than: 5kB}"]),
)  # fmt: skip
RULE = st.tuples(CONDITION, st.none() | CONDITION, st.sampled_from(["{copy: leitung}", "{tag: t}", "{file: closed}"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(RULE, min_size=1, max_size=4), TEXT, TEXT, st.sampled_from([(KITA,), (INFO, KITA)]))
def test_whatever_the_mail_and_the_rules_the_test_holds(
    rules: list[tuple[str, str | None, str]], subject: str, text: str, recipients: Any
) -> None:
    lines = [
        f"  - {{id: r{n}, when: {{{when}}}, {f'unless: {{{unless}}}, ' if unless else ''}then: {then}}}\n"
        for n, (when, unless, then) in enumerate(rules)
    ]
    written = made("".join(lines), *recipients, subject=subject, text=text, size_bytes=9000)
    assert written.entry != ""
    assert "2345678" not in written.entry


ENTRY = '- name: "n"\n  mail: {to: info@musterstadt.example}\n  expect: {teams: [poststelle]}\n'
HEAD = completed("addresses:\n  info: {team: poststelle}\n")
OLD = "- name: Alt\n  mail: {to: info@musterstadt.example}\n  expect: {}\n"
PLACES = {
    "none": (HEAD, 1),
    "no line end": (HEAD.rstrip("\n"), 1),
    "at the margin": (f"{HEAD}tests:\n{OLD}", 2),
    "indented": (HEAD + "tests:\n" + "".join(f"    {line}\n" for line in OLD.splitlines()), 2),
    "in the middle": (f"tests:  # unsere\n{OLD}\n# Vorspann\n\n{HEAD}", 2),
    "comment behind": (f"{HEAD}tests:\n{OLD}  # noch eins\n# Ende\n", 2),
    "without a line end": (f"{HEAD}tests:\n{OLD}".rstrip("\n"), 2),
    "empty list": (f"{HEAD}tests: []  # noch keine\nrules: []\n", 1),
    "nothing": (f"{HEAD}tests:\n", 1),
    "null": (f"tests: ~\n{HEAD}", 1),
    "quoted": (f'{HEAD}"tests":\n{OLD}', 2),
    "windows": (f"{HEAD}tests:\n{OLD}rules: []\n".replace("\n", "\r\n"), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_an_entry_is_put_at_the_end_of_the_tests_and_nothing_else_changes(name: str) -> None:
    text, count = PLACES[name]
    longer = appended(text, ENTRY)
    loaded, found = load(longer, "rules.yaml")
    assert loaded is not None, ("\n".join(map(str, found)), longer)
    assert len(loaded.tests) == count
    assert loaded.tests[-1].name == "n"
    changed = {"tests: []  # noch keine": "tests:  # noch keine", "tests: ~": "tests:"}
    rest = iter(longer.splitlines())
    assert all(changed.get(line, line) in rest for line in text.splitlines())
    assert ("\r\n" in text) == ("\r\n" in longer)
    assert longer.count("\r\n") in (0, longer.count("\n"))


def test_tests_in_one_line_are_refused() -> None:
    with pytest.raises(UnfitError, match="in one line"):
        appended("tests: [{name: x}]\n", ENTRY)


def test_the_day_is_that_of_the_organisation() -> None:
    at = datetime(2026, 6, 1, 23, tzinfo=UTC)
    assert "vom 2026-06-02" in made("  - {id: r, then: {tag: t}}\n", at=at).entry
