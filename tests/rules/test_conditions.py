"""Each condition and each operator, with yes, no and cannot tell."""

from __future__ import annotations

from typing import Any

import pytest

from maild.mail.facts import Automatic
from maild.mail.header import Field
from maild.rules.conditions import MAX_TEXT
from maild.rules.engine import route
from maild.rules.model import Outcome
from maild.rules.route import Route
from tests.rules.samples import letter, rules_with, to

YES, NO, UNKNOWN = Outcome.YES, Outcome.NO, Outcome.UNKNOWN
PDF = ("Antrag.pdf", "application/pdf", 2_000_000)
ZIP = ("bilder.zip", "application/zip", 40_000_000)


def routed(when: str, *, recipient: str = "kita.platzvergabe@a.example", more: str = "", **facts: Any) -> Route:
    return route(rules_with(when, more=more), letter(**facts), to(recipient))


def outcome(when: str, **kwargs: Any) -> Outcome | None:
    found = routed(when, **kwargs)
    assert found.problem is None
    assert (found.tags == ("yes-it-did",)) == (found.trace[0].outcome is YES)
    return found.trace[0].outcome


OPERATORS = [
    ("{subject: kita}", "Eine KITA bitte", YES),
    ("{subject: kita}", "Eine Schule bitte", NO),
    ("{subject: [hort, kita]}", "Eine Kita bitte", YES),
    ("{subject: {is: kita}}", "Kita", YES),
    ("{subject: {is: kita}}", "Kita!", NO),
    ("{subject: {is: [hort, kita]}}", "kita", YES),
    ("{subject: {contains: straße}}", "HAUPTSTRASSE 5", YES),
    ("{subject: {contains: gasse}}", "HAUPTSTRASSE 5", NO),
    ("{subject: {contains: [a1, b2]}}", "nummer B2", YES),
    ("{subject: {starts: 're: '}}", "Re: Antrag", YES),
    ("{subject: {starts: [aw, re]}}", "Antrag re", NO),
    ("{subject: {ends: [dringend, eilt]}}", "Antrag, EILT", YES),
    ("{subject: {ends: eilt}}", "eilt Antrag", NO),
    ("{subject: {matches: 'antrag *'}}", "Antrag 4711", YES),
    ("{subject: {matches: 'antrag ????'}}", "Antrag 4711", YES),
    ("{subject: {matches: 'antrag ???'}}", "Antrag 4711", NO),
    ("{subject: {matches: 'a[n]*'}}", "antrag", NO),  # only * and ? are special
    ("{subject: {matches: '*'}}", "", YES),
    ("{subject: {regex: 'az [0-9]+/[0-9]{2}'}}", "Ihr AZ 12/26", YES),
    ("{subject: {regex: '^az'}}", "Ihr AZ 12/26", NO),
    ("{subject: {regex: [x, 'az']}}", "Ihr AZ 12/26", YES),
    ("{subject: {regex: 'müller'}}", "MU\u0308LLER", YES),  # normalised, and without regard to case
    ("{subject: {starts: az, ends: '26'}}", "AZ 12/26", YES),  # several operators must all hold
    ("{subject: {starts: az, ends: '27'}}", "AZ 12/26", NO),
    ("{subject: ﬁnanz}", "FINANZAMT", YES),
    ("{subject: {list: woerter}}", "das eilt sehr", YES),
    ("{subject: {list: woerter}}", "gemach", NO),
    ("{subject: {is: {list: woerter}}}", "Dringend", YES),
    ("{subject: {regex: {list: woerter}}}", "Dringende Sache", YES),
]


@pytest.mark.parametrize(("when", "subject", "expected"), OPERATORS)
def test_operators_compare_texts(when: str, subject: str, expected: Outcome) -> None:
    assert outcome(when, subject=subject, more="lists: {woerter: [dringend, eilt]}\n") is expected


RECIPIENTS = [
    ("{to: kita.platzvergabe}", "kita.platzvergabe@a.example", YES),
    ("{to: kita.platzvergabe}", "Kita.Platzvergabe+x@b.example", YES),
    ("{to: kita.platzvergabe}", "kita@a.example", YES),  # the entry, by whichever of its names
    ("{to: kita.platzvergabe}", "krippe@b.example", YES),
    ("{to: kita.platzvergabe}", "alt@a.example", NO),  # a retired address is one of its own
    ("{to: alt}", "alt@a.example", YES),
    ("{to: kita}", "kita@a.example", YES),  # an alias: only mail that came by it
    ("{to: kita}", "kita.platzvergabe@a.example", NO),
    ("{to: krippe@b.example}", "krippe@b.example", YES),
    ("{to: krippe@b.example}", "kita@b.example", NO),
    ("{to: info}", "info@a.example", YES),
    ("{to: info}", "rathaus@b.example", YES),
    ("{to: info}", "info@b.example", NO),  # another entry claims it there
    ("{to: info@b.example}", "info@b.example", YES),
    ("{to: info@b.example}", "info@a.example", NO),
    ("{to: '@b.example'}", "kita@b.example", YES),
    ("{to: '@b.example'}", "kita@a.example", NO),
    ("{to: [info, kita.platzvergabe]}", "kita@a.example", YES),
    ("{to: postmaster}", "postmaster@a.example", YES),
    ("{to: {starts: kita}}", "KITA+x@a.example", YES),
    ("{to: {ends: '@a.example'}}", "kita@b.example", NO),
    ("{to: {regex: '^kita[@.]'}}", "kita@b.example", YES),
    ("{to: {matches: '*@b.example'}}", "kita+d@b.example", YES),
    ("{detail: Schule}", "kita+schule@a.example", YES),
    ("{detail: schule}", "kita@a.example", NO),
    ("{detail: {starts: s}}", "kita+schule+2@a.example", YES),
]


@pytest.mark.parametrize(("when", "recipient", "expected"), RECIPIENTS)
def test_conditions_on_the_recipient(when: str, recipient: str, expected: Outcome) -> None:
    assert outcome(when, recipient=recipient) is expected


FROM = [
    ("{from: max@firma.example}", "Max@Firma.example", YES),
    ("{from: '@firma.example'}", "max@firma.example", YES),
    ("{from: '@firma.example'}", "max@sub.firma.example", NO),
    ("{from: {ends: firma.example}}", "max@sub.firma.example", YES),
    ("{from: '@gießen.example'}", "max@xn--gieen-nqa.example", YES),
    ("{from: '@xn--gieen-nqa.example'}", "max@gießen.example", YES),
    ("{from: {list: sperre}}", "wer@sperre.example", YES),
    ("{from: {list: sperre}}", "max@x.example", YES),
    ("{from: {list: sperre}}", "moritz@x.example", NO),
    ("{from: max@firma.example}", "", NO),
    ("{from: {regex: 'max@'}}", "max@firma.example", YES),
]


@pytest.mark.parametrize(("when", "author", "expected"), FROM)
def test_conditions_on_the_author(when: str, author: str, expected: Outcome) -> None:
    more = "lists: {sperre: {file: lists/sperrliste.txt}}\n"
    assert outcome(when, author=author, more=more if "list" in when else "") is expected


OTHERS: list[tuple[str, dict[str, Any], Outcome]] = [
    ("{sender: '@liste.example'}", {"sender": "bounce@liste.example"}, YES),
    ("{sender: '@liste.example'}", {"sender": None}, NO),
    ("{sender: <>}", {"sender": None}, YES),
    ("{sender: <>}", {"sender": "a@b.example"}, NO),
    ("{text: kündigung}", {"text": "Hiermit meine Kündigung."}, YES),
    ("{text: kündigung}", {"text": "Guten Tag"}, NO),
    ("{text: {regex: 'guten.tag'}}", {"text": "Guten\nTag"}, YES),
    ("{text: {regex: 'guten\\s+tag'}}", {"text": "Guten\nTag"}, YES),
    ("{header: {X-Prio: high}}", {"header": {"x-prio": "very HIGH"}}, YES),
    ("{header: {X-Prio: high}}", {"header": {"X-Other": "high"}}, NO),
    ("{header: {X-Prio: {is: high}}}", {"header": {"X-PRIO": "high!"}}, NO),
    ("{header: {X-Prio: {matches: '*'}}}", {"header": {"X-Prio": ""}}, YES),
    ("{header: {X-A: a, X-B: b}}", {"header": {"X-A": "a", "X-B": "b"}}, YES),
    ("{header: {X-A: a, X-B: b}}", {"header": {"X-A": "a"}}, NO),
    ("{header: {X-A: c}}", {"fields": (Field("x-a", "b"), Field("x-a", "c"))}, YES),  # any of several
    ("{list: true}", {"list_id": "x"}, YES),
    ("{list: true}", {}, NO),
    ("{list: false}", {}, YES),
    ("{auto_submitted: true}", {"auto_submitted": True}, YES),
    ("{auto_submitted: true}", {}, NO),
    ("{bounce: true}", {"automatic": Automatic.REPORT}, YES),
    ("{bounce: true}", {"automatic": Automatic.LIST}, NO),
    ("{size: {larger_than: 5MB}}", {"size_bytes": 5_000_001}, YES),
    ("{size: {larger_than: 5MB}}", {"size_bytes": 5_000_000}, NO),
    ("{size: {smaller_than: 1kB}}", {"size_bytes": 999}, YES),
    ("{size: {larger_than: 10, smaller_than: 1 kb}}", {"size_bytes": 1000}, NO),
    ("{attachment: {name: '*.pdf'}}", {"attachment": [PDF]}, YES),
    ("{attachment: {name: '*.pdf'}}", {"attachment": [ZIP]}, NO),
    ("{attachment: {name: '*.pdf'}}", {}, NO),
    ("{attachment: {name: ['*.doc', '*.PDF']}}", {"attachment": [ZIP, PDF]}, YES),
    ("{attachment: {name: {regex: '^antrag'}}}", {"attachment": [PDF]}, YES),
    ("{attachment: {type: application/*}}", {"attachment": [PDF]}, YES),
    ("{attachment: {type: image/*}}", {"attachment": [PDF]}, NO),
    ("{attachment: {larger_than: 5MB}}", {"attachment": [PDF, ZIP]}, YES),
    ("{attachment: {smaller_than: 1MB}}", {"attachment": [PDF, ZIP]}, NO),
    ("{attachment: {name: '*.pdf', larger_than: 5MB}}", {"attachment": [PDF, ZIP]}, NO),  # of any one
    ("{attachment: {name: '*.zip', larger_than: 5MB}}", {"attachment": [PDF, ZIP]}, YES),
    ("{spf: pass}", {"verdicts": {"spf": "pass"}}, YES),
    ("{spf: Pass}", {"verdicts": {"spf": "softfail"}}, NO),
    ("{spf: [fail, softfail]}", {"verdicts": {"spf": "softfail"}}, YES),
    ("{dkim: {is: [none, fail]}}", {}, YES),  # nobody who is trusted has said anything
    ("{dmarc: fail, dkim: none}", {"verdicts": {"dmarc": "fail"}}, YES),
    ("{reply: true}", {"reply": True}, YES),
    ("{reply: true}", {}, NO),
    ("{reply: false}", {}, YES),
    ("{reply: false}", {"reply": True}, NO),
]


@pytest.mark.parametrize(("when", "facts", "expected"), OTHERS)
def test_conditions_on_the_rest_of_the_letter(when: str, facts: dict[str, Any], expected: Outcome) -> None:
    assert outcome(when, **facts) is expected


CANNOT_TELL: list[tuple[str, dict[str, Any], Outcome]] = [
    # Beyond a limit of the body the header is known, and what is not found in the text may still be there.
    ("{text: kündigung}", {"source_only": "depth"}, UNKNOWN),
    ("{text: kündigung}", {"source_only": "depth", "text": "Kündigung"}, YES),
    ("{text: {is: kündigung}}", {"source_only": "depth", "text": "Kündigung"}, UNKNOWN),
    ("{text: {ends: kündigung}}", {"source_only": "depth", "text": "Kündigung"}, UNKNOWN),
    ("{text: {starts: kündi}}", {"source_only": "depth", "text": "Kündigung"}, YES),
    ("{attachment: {name: '*'}}", {"source_only": "parts"}, UNKNOWN),
    ("{attachment: {name: '*'}}", {"source_only": "parts", "attachment": [PDF]}, YES),
    ("{subject: kita}", {"source_only": "parts", "subject": "Schule"}, NO),
    ("{list: true}", {"source_only": "depth"}, NO),
    ("{text: ende}", {"text": "x" * MAX_TEXT}, UNKNOWN),
    ("{text: x}", {"text": "x" * MAX_TEXT}, YES),
    # When the header was not read to its end, what is missing may stand in the rest.
    ("{subject: kita}", {"source_only": "crash"}, UNKNOWN),
    ("{subject: {is: ''}}", {"source_only": "crash"}, UNKNOWN),
    ("{subject: {is: kita}}", {"source_only": "fields", "subject": "Kita"}, YES),
    ("{from: '@x.example'}", {"source_only": "memory", "senders": ()}, UNKNOWN),
    ("{from: '@firma.example'}", {"source_only": "memory"}, YES),
    ("{header: {X-A: a}}", {"source_only": "header"}, UNKNOWN),
    ("{header: {X-A: a}}", {"source_only": "header", "header": {"X-A": "a"}}, YES),
    ("{list: true}", {"source_only": "cpu"}, UNKNOWN),
    ("{list: false}", {"source_only": "cpu"}, UNKNOWN),
    ("{list: true}", {"source_only": "cpu", "list_id": "x"}, YES),
    ("{list: false}", {"source_only": "cpu", "list_id": "x"}, NO),
    # Who could not be asked has said nothing, whatever a rule would like to hear.
    ("{spf: pass}", {"verdicts": {"spf": "temperror"}}, UNKNOWN),
    ("{spf: temperror}", {"verdicts": {"spf": "temperror"}}, UNKNOWN),
    ("{dkim: none}", {"verdicts": {"dkim": "temperror"}}, UNKNOWN),
    ("{dmarc: permerror}", {"verdicts": {"dmarc": "permerror"}}, YES),
    ("{reply: true}", {"reply": None}, UNKNOWN),
    ("{reply: false}", {"reply": None}, UNKNOWN),
    ("{reply: false}", {"source_only": "header"}, UNKNOWN),  # the references may stand in what was not read
    ("{reply: true}", {"source_only": "header", "reply": True}, YES),
    # The envelope and the size are always known.
    ("{to: info}", {"source_only": "crash"}, NO),
    ("{sender: '@liste.example'}", {"source_only": "crash"}, YES),
    ("{size: {smaller_than: 5MB}}", {"source_only": "crash"}, YES),
]


@pytest.mark.parametrize(("when", "facts", "expected"), CANNOT_TELL)
def test_what_could_not_be_read_is_neither_yes_nor_no(when: str, facts: dict[str, Any], expected: Outcome) -> None:
    assert outcome(when, **facts) is expected


_GERMAN, _ENGLISH = "Ich bin nicht da und bitte um Antwort.", "It is not for the team."
LANGUAGES: list[tuple[str, dict[str, Any], Outcome, str]] = [
    ("de", {"text": _GERMAN}, YES, "de"),
    ("de", {"text": _ENGLISH}, NO, "en"),
    ("DE", {"text": _GERMAN}, YES, "de"),
    ("[fr, en]", {"text": _ENGLISH}, YES, "en"),
    ("{is: en}", {"text": _ENGLISH}, YES, "en"),
    ("{is: [en, fr]}", {"text": _GERMAN}, NO, "de"),
    ("{list: sprachen}", {"text": _ENGLISH}, YES, "en"),
    ("{list: sprachen}", {"text": _GERMAN}, NO, "de"),
    ("de", {"text": "Anbei 4711."}, UNKNOWN, "not clear"),
    ("de", {"text": ""}, UNKNOWN, "not clear"),
    ("de", {"text": "", "subject": _GERMAN}, UNKNOWN, "not clear"),  # of the text alone
    ("de", {"text": "", "source_only": "crash"}, UNKNOWN, "not clear"),
    ("de", {"text": _GERMAN, "source_only": "depth"}, YES, "de"),  # what was read is enough
]


@pytest.mark.parametrize(("operand", "facts", "expected", "shown"), LANGUAGES)
def test_the_language_is_told_or_not(operand: str, facts: dict[str, Any], expected: Outcome, shown: str) -> None:
    more = "lists: {sprachen: [en, fr]}\n" if "list" in operand else ""
    assert outcome(f"{{language: {operand}}}", more=more, **facts) is expected
    assert routed(f"{{language: {operand}}}", more=more, **facts).trace[0].seen[0].value == shown


def test_of_unless_a_language_that_cannot_be_told_is_no_match() -> None:
    unless = "{to: kita.platzvergabe}\n    unless: {language: de}"
    assert [outcome(unless, text=text) for text in (_GERMAN, _ENGLISH, "Anbei.")] == [NO, YES, UNKNOWN]


# text yes, no, unknown as conditions: a letter beyond a limit whose subject is known.
_Y, _N, _U = "subject: kita", "subject: schule", "text: x"
GROUPS = [
    (f"{{{_Y}, to: kita.platzvergabe}}", YES),
    (f"{{{_Y}, {_U}}}", UNKNOWN),
    (f"{{{_N}, {_U}}}", NO),
    (f"{{all: [{{{_Y}}}, {{{_U}}}]}}", UNKNOWN),
    (f"{{all: [{{{_U}}}, {{{_N}}}]}}", NO),
    (f"{{all: [{{{_U}}}, {{{_Y}}}]}}", UNKNOWN),
    (f"{{any: [{{{_U}}}, {{{_N}}}]}}", UNKNOWN),
    (f"{{any: [{{{_N}}}, {{{_Y}}}]}}", YES),
    (f"{{any: [{{{_U}}}, {{{_Y}}}]}}", YES),
    (f"{{any: [{{{_N}}}, {{{_U}}}]}}", UNKNOWN),
    (f"{{any: [{{{_N}}}, {{to: info}}]}}", NO),
    (f"{{any: {{{_Y}, to: info}}}}", YES),  # a mapping: each of its keys
    (f"{{any: [{{{_Y}, to: info}}]}}", NO),  # an item: all of its keys
    (f"{{none: [{{{_N}}}, {{to: info}}]}}", YES),
    (f"{{none: [{{{_N}}}, {{{_Y}}}]}}", NO),
    (f"{{none: [{{{_N}}}, {{{_U}}}]}}", UNKNOWN),
    (f"{{none: {{{_N}}}}}", YES),
    (f"{{all: [{{any: [{{{_N}}}, {{{_Y}}}]}}, {{none: [{{{_N}}}]}}]}}", YES),
]


@pytest.mark.parametrize(("when", "expected"), GROUPS)
def test_all_any_and_none_keep_three_values(when: str, expected: Outcome) -> None:
    assert outcome(when, subject="Kita", source_only="depth") is expected


@pytest.mark.parametrize(
    ("unless", "expected"),
    [(_Y, NO), (_N, YES), (_U, UNKNOWN), (f"{_Y}, to: info", NO), (f"{_N}, to: info", YES), (f"{_N}, {_U}", UNKNOWN)],
)
def test_of_unless_nothing_may_hold_and_all_must_be_certain(unless: str, expected: Outcome) -> None:
    when = f"{{to: kita.platzvergabe}}\n    unless: {{{unless}}}"
    assert outcome(when, subject="Kita", source_only="depth") is expected


def test_a_trace_shows_each_value_on_one_line_and_shortened() -> None:
    found = routed("{subject: ende}", subject="a\nb\u202e" + "x" * 500)
    seen = found.trace[0].seen[0]
    assert seen.label == "subject contains ende"
    assert seen.value == "a b " + "x" * 195 + "…"
    assert len(seen.value) == 200


def test_what_stands_under_unless_is_not_looked_at_when_the_rule_does_not_match_anyway() -> None:
    found = routed("{to: info}\n    unless: {list: true}")
    assert [seen.label for seen in found.trace[0].seen] == ["to is info"]


def test_a_trace_ends_at_the_condition_that_decided() -> None:
    found = routed("{to: info, subject: kita}", subject="Kita")
    assert [seen.label for seen in found.trace[0].seen] == ["to is info"]
