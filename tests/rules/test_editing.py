from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.rules.editing import (
    EditError,
    add_rule,
    change_rule,
    delete_rule,
    lines_of_rule,
    move_rule,
    observe_rule,
    rules_in,
    with_line_ends,
)
from maild.rules.loader import load
from maild.rules.model import Ruleset
from maild.rules.rule_form import Operand, RuleForm
from maild.rules.yaml_text import scalar

EXAMPLE = (Path(__file__).parents[2] / "rules.example.yaml").read_text(encoding="utf-8")
HEAD = """\
version: 1
organisation: {name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}
domains: [musterstadt.example]   # und keine andere
teams: {poststelle: {name: Zentrale Poststelle}, kita: {name: Kita}}
fallback: poststelle
addresses: {info: {team: poststelle}, kita: {team: kita}}
lists: {eilig: [dringend, sofort]}
"""
RULES = """\
rules:   # von oben nach unten
  # --- Eiliges ---
  - id: eins # die erste
    # innen
    note: |
      Zwei Zeilen

    when:
      subject: {contains: dringend}   # oder eilt
    then: {tag: [eilt,
       sofort]}

  # zur zweiten
  -
    id: zwei
    unless: {list: true}
    when: {to: kita}
    then:
      copy:
      - poststelle
    # am Ende der zweiten
  - {id: drei, when: {from: a@b.example}, then: {tag: c}} # fließend
  - id: vier
    when: {header: {X-Spam: "yes"}}
    then: {file: closed}
"""
TAIL = """\
# nach den Regeln
tests:
- name: nichts
  mail: {to: info@musterstadt.example}
  expect: {}
"""
TEXT = HEAD + RULES + TAIL
NEW = RuleForm(id="neu", subject=Operand(values=("frage",)), tag=("neu",))


def loaded(text: str) -> Ruleset:
    ruleset, findings = load(text, "rules.yaml")
    assert ruleset is not None, findings
    return ruleset


def form(text: str, rule: str) -> RuleForm:
    found = next(form for name, _, form in rules_in(text) if name == rule)
    assert found is not None
    return found


def ids(text: str) -> list[str]:
    return [rule.id for rule in loaded(text).rules]


def difference(old: str, new: str) -> list[str]:
    """Return the lines that went (-) and came (+), compared as a person would, from both ends."""
    a, b = old.splitlines(keepends=True), new.splitlines(keepends=True)
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return [f"-{line.rstrip()}" for line in a] + [f"+{line.rstrip()}" for line in b]


def test_rules_are_found_with_their_lines_and_those_a_form_cannot_say_are_named() -> None:
    found = rules_in(TEXT)
    assert [(name, form is not None) for name, _, form in found] == [
        ("eins", True), ("zwei", True), ("drei", True), ("vier", False)
    ]  # fmt: skip
    assert [TEXT.splitlines()[line - 1].lstrip()[:1] for _, line, _ in found] == ["-"] * 4
    assert lines_of_rule(TEXT, "drei") == "  - {id: drei, when: {from: a@b.example}, then: {tag: c}} # fließend\n"


CHANGES = [
    (
        "eins",
        {"observe": True},
        ["+    mode: observe"],
    ),
    (
        "eins",
        {"tag": ("eilt",), "priority": "high"},
        [
            "-    then: {tag: [eilt,",
            "-       sofort]}",
            "+    then:",
            "+      tag: eilt",
            "+      priority: high",
        ],
    ),
    (
        "eins",
        {"subject": Operand(list="eilig"), "bounce": False},
        [
            "-    when:",
            "-      subject: {contains: dringend}   # oder eilt",
            "+    # oder eilt",
            "+    when:",
            "+      subject: {list: eilig}",
            "+      bounce: false",
        ],
    ),
    (
        "eins",
        {"note": "Eine"},
        ["-    note: |", "-      Zwei Zeilen", "+    note: Eine"],
    ),
    (
        "zwei",
        {"to": Operand(), "sender": Operand(values=("@x.example", "b@y.example"))},
        [
            "-    when: {to: kita}",
            "+    when:",
            '+      from: ["@x.example", "b@y.example"]',
        ],
    ),
    (
        "drei",
        {"note": "Neu: ja", "tag": ("c", "d")},
        [
            "-  - {id: drei, when: {from: a@b.example}, then: {tag: c}} # fließend",
            "+  # fließend",
            "+  - id: drei",
            '+    note: "Neu: ja"',
            "+    when:",
            '+      from: "a@b.example"',
            "+    then:",
            "+      tag: [c, d]",
        ],
    ),
]


@pytest.mark.parametrize(("rule", "change", "expected"), CHANGES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_change_touches_the_lines_that_say_it_and_keeps_comments(
    rule: str, change: dict[str, object], expected: list[str], end: str
) -> None:
    text = TEXT.replace("\n", end)
    wanted = replace(form(text, rule), **change)  # type: ignore[arg-type]  # by name, as the table says
    new = change_rule(text, wanted)
    assert difference(text, new) == expected
    assert form(new, rule) == replace(wanted, note=form(new, rule).note)
    assert set(re.findall(r"\r?\n", new)) == {end}
    loaded(new)


def test_a_form_that_changes_nothing_changes_no_byte() -> None:
    for text in (TEXT, EXAMPLE, TEXT.replace("\n", "\r\n"), TEXT[:-1], "\ufeff" + TEXT):
        for _, _, found in rules_in(text):
            if found is not None:
                assert change_rule(text, found) == text


def test_a_first_key_that_goes_makes_the_rule_be_written_anew() -> None:
    text = HEAD + "rules:\n- mode: observe   # noch\n  id: a\n  then: {tag: x}\n- id: b\n  then: {tag: y}\n"
    assert difference(text, observe_rule(text, "a", observe=False)) == [
        "-- mode: observe   # noch", "-  id: a", "-  then: {tag: x}", "+# noch", "+- id: a", "+  then:", "+    tag: x"
    ]  # fmt: skip
    changed = change_rule(text, replace(form(text, "a"), tag=("z",)))
    assert difference(text, changed) == ["-  then: {tag: x}", "+  then:", "+    tag: z"]


def test_observing_is_switched_in_rules_that_no_form_can_say() -> None:
    observed = observe_rule(TEXT, "vier", observe=True)
    assert difference(TEXT, observed) == ["+    mode: observe"]
    assert loaded(observed).rules[3].observe
    assert observe_rule(observed, "vier", observe=False) == TEXT
    assert observe_rule(TEXT, "vier", observe=False) == TEXT


def test_a_new_rule_comes_at_the_end_or_before_another() -> None:
    lines = ["+  - id: neu", "+    when:", "+      subject: frage", "+    then:", "+      tag: neu"]
    for at, order in ((None, ["eins", "zwei", "drei", "vier", "neu"]), (1, ["eins", "neu", "zwei", "drei", "vier"])):
        new = add_rule(TEXT, NEW, at)
        assert [line for line in difference(TEXT, new) if line != "+"] == lines
        assert ids(new) == order
    with pytest.raises(EditError, match="known-rule"):
        add_rule(TEXT, replace(NEW, id="drei"))


BEGINNINGS = [
    ("", "\nrules:\n"),
    ("rules: []\n", "rules:\n"),
    ("rules: [ ]   # keine\n", "rules:   # keine\n"),
    ("rules:\n", "rules:\n"),
    ("rules: ~\n", "rules:\n"),
    ("rules:\n  # noch keine\n", "rules:\n"),
]


@pytest.mark.parametrize(("written", "begins"), BEGINNINGS)
@pytest.mark.parametrize("tail", ["", TAIL])
def test_the_first_rule_of_all_finds_its_place(written: str, begins: str, tail: str) -> None:
    text = HEAD + written + tail
    new = add_rule(text, NEW)
    assert ids(new) == ["neu"]
    assert begins in new
    assert all(line in new for line in re.findall("#.*", text))
    assert ids(add_rule(new, replace(NEW, id="noch-eine"))) == ["neu", "noch-eine"]


@pytest.mark.parametrize("text", [TEXT, TEXT[: -len(TAIL)], TEXT[: -len(TAIL) - 1]])
def test_deleting_takes_the_lines_of_the_rule_alone(text: str) -> None:
    for number, rule in enumerate(("eins", "zwei", "drei", "vier")):
        new = delete_rule(text, rule)
        gone = lines_of_rule(text, rule)
        assert new in (text.replace(gone, "", 1), text.replace(gone, "", 1).removesuffix("\n"))
        assert ids(new) == [name for at, name in enumerate(ids(text)) if at != number]


def test_when_the_last_rule_goes_the_file_still_loads() -> None:
    text = HEAD + "rules:  # eine\n  # Kopf\n  - id: a\n    then: {tag: x}\n" + TAIL
    new = delete_rule(text, "a")
    assert "rules: []  # eine\n  # Kopf\n# nach" in new
    assert ids(new) == []
    assert ids(add_rule(new, NEW)) == ["neu"]


def test_moving_swaps_two_rules_with_the_comment_right_above_them() -> None:
    new = move_rule(TEXT, "zwei", up=True)
    assert ids(new) == ["zwei", "eins", "drei", "vier"]
    assert sorted(new.splitlines()) == sorted(TEXT.splitlines())
    assert new.index("# zur zweiten") < new.index("id: zwei") < new.index("# --- Eiliges") < new.index("id: eins")
    assert move_rule(new, "zwei", up=False) == TEXT
    assert move_rule(TEXT, "eins", up=True) == TEXT
    assert move_rule(TEXT, "vier", up=False) == TEXT
    without_end = TEXT[: -len(TAIL) - 1]
    assert not move_rule(without_end, "vier", up=True).endswith("\n")
    assert ids(move_rule(without_end, "vier", up=True)) == ["eins", "zwei", "vier", "drei"]


REFUSED = [
    (HEAD + "rules: [{id: a, then: {tag: x}}]\n", "a", "one-line"),
    ("{version: 1, rules: []}\n", "a", "one-line"),
    (HEAD + "rules: {a: [x]}\n", "a", "unread"),
    (HEAD + "rules: nichts\n", "a", "unread"),
    (HEAD + "rules:\n  - id: [\n", "a", "unread"),
    ("", "a", "unread"),
    ("- eine\n- Liste\n", "a", "unread"),
    (TEXT, "fünf", "unknown-rule"),
    (TEXT, "vier", "not-by-form"),
]


@pytest.mark.parametrize(("text", "rule", "code"), REFUSED)
def test_what_cannot_be_edited_is_refused_with_a_word(text: str, rule: str, code: str) -> None:
    with pytest.raises(EditError, match=f"^{code}$"):
        change_rule(text, RuleForm(id=rule, tag=("x",)))


def test_an_edit_that_would_change_the_meaning_of_another_line_is_refused() -> None:
    # Without an end of its line the literal text ends without one, too: moved up it would read otherwise.
    text = HEAD + "rules:\n  - id: a\n    then: {tag: x}\n  - id: b\n    then: {tag: y}\n    note: |\n      Notiz"
    with pytest.raises(EditError, match="would-touch-more"):
        move_rule(text, "b", up=True)


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"id": "Mit Leerzeichen"}, ("id",)),
        ({"id": ""}, ("id",)),
        ({"tag": ()}, ("no-action",)),
        ({"subject": Operand(values=("a",), list="eilig")}, ("both",)),
        ({}, ()),
        ({"tag": (), "closed": True}, ()),
    ],
)
def test_a_form_knows_what_is_wrong_with_it(change: dict[str, object], faults: tuple[str, ...]) -> None:
    assert replace(NEW, **change).faults() == faults  # type: ignore[arg-type]  # by name, as the table says


SCALARS = ["yes", "1e3", " a", "a: b", "# a", "a #b", "ä\u2028b", '"', "\\", "- a", "a,b", "[x]", "null", "~"]
SCALARS += ["ja\nnein", "\ufeffx", "😀", "@a.example", "*x", "é", "a  b", "Grüße an Ämter", "x:y"]


@pytest.mark.parametrize("text", SCALARS)
def test_a_text_is_written_so_that_it_is_read_again(text: str) -> None:
    ruleset = loaded(HEAD + f"rules:\n  - id: a\n    note: {scalar(text)}\n    then: {{tag: x}}\n")
    assert ruleset.rules[0].note == text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
LINES = TEXTS.map(lambda t: "".join(c for c in t if c.isprintable()).strip()).filter(bool)
TAGS = LINES.map(lambda t: t.replace(",", "")[:64].strip()).filter(bool)
OPERANDS = st.one_of(
    st.just(Operand()), st.just(Operand(list="eilig")),
    st.lists(LINES, min_size=1, max_size=3, unique=True).map(lambda v: Operand(values=tuple(v))),
)  # fmt: skip
TEAMS = st.lists(st.sampled_from(["poststelle", "kita"]), max_size=2, unique=True).map(tuple)
FORMS = st.builds(
    RuleForm,
    id=st.sampled_from(["eins", "zwei", "drei", "neu"]),
    note=st.one_of(st.just(""), TEXTS.map(str.strip)),
    to=st.sampled_from([Operand(), Operand(values=("kita",)), Operand(values=("info", "kita"))]),
    subject=OPERANDS,
    text=OPERANDS,
    list=st.sampled_from([None, True, False]),
    deliver=TEAMS,
    copy=TEAMS,
    tag=st.lists(TAGS, min_size=1, max_size=3, unique=True).map(tuple),
    priority=st.sampled_from(["", "low", "high"]),
    closed=st.booleans(),
    observe=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(form=FORMS, end=st.sampled_from(["\n", "\r\n"]), cut=st.booleans(), tail=st.sampled_from(["", TAIL]))
def test_whatever_the_form_says_no_other_line_changes_and_the_file_says_it(
    form: RuleForm, end: str, cut: bool, tail: str
) -> None:
    text = (HEAD + RULES + tail).replace("\n", end)
    text = text.removesuffix(end) if cut else text
    new = add_rule(text, form) if form.id == "neu" else change_rule(text, form)
    untouched = text if form.id == "neu" else text.replace(lines_of_rule(text, form.id), "", 1)
    rest = new.replace(lines_of_rule(new, form.id), "", 1)
    # Nothing of the others went, nothing but comments and blank lines came.
    kept = [line.rstrip() for line in untouched.splitlines()]
    came = [line.rstrip() for line in rest.splitlines()]
    for line in kept:
        came.remove(line)
    assert all(not line or line.lstrip().startswith("#") for line in came)
    assert sorted(re.findall("#.*", text.replace("\r", ""))) == sorted(
        c for c in re.findall("#.*", new.replace("\r", "")) if c in text
    ) or "#" in repr(form)
    found = next(f for name, _, f in rules_in(new) if name == form.id)
    assert found is not None
    assert replace(found, kept=(), note="") == replace(form, note="")
    assert found.note.split() == form.note.split()
    old, fresh = loaded(text), loaded(new)
    others = [replace(rule, line=0) for rule in old.rules if rule.id != form.id]
    assert [replace(rule, line=0) for rule in fresh.rules if rule.id != form.id] == others
    assert (fresh.teams, fresh.addresses, fresh.fallback) == (old.teams, old.addresses, old.fallback)


PIECES = st.one_of(
    st.sampled_from(
        ["\n", "  ", "- ", "#", ": ", "{", "}", "[", "]", "|", ">", "'", '"', "? ", "\t", "\r", "\u2028", "...\n"]
    ),
    st.text(max_size=3),
)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_file_an_edit_comes_about_or_is_refused_with_a_word(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([TEXT, EXAMPLE]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(PIECES) + text[at + data.draw(st.integers(0, 4)) :]
    edits: tuple[Callable[[str], str], ...] = (
        lambda rule: change_rule(text, replace(NEW, id=rule)),
        lambda rule: observe_rule(text, rule, observe=True),
        lambda rule: delete_rule(text, rule),
        lambda rule: move_rule(text, rule, up=True),
        lambda rule: add_rule(text, replace(NEW, id=f"{rule}-2")),
    )
    for edit, name in product(edits, ("eins", "zwei", "drei", "vier", "kita-eilt", "kammern", "newsletter")):
        with contextlib.suppress(EditError):
            rules_in(edit(name))


MIXED = "a\r\nb\nc\r\nd"


@pytest.mark.parametrize("base", ["a\nb\n", "a\r\nb\r\n", MIXED, "a\nb", "a\rb\r", ""])
def test_a_browsers_line_ends_are_taken_back(base: str) -> None:
    submitted = re.sub(r"\r\n|\n|\r", "\r\n", base)
    assert with_line_ends(base, submitted) == base


def test_new_lines_get_the_usual_end_and_old_ones_keep_theirs() -> None:
    assert with_line_ends(MIXED, "a\r\nneu\r\nb\r\nc\r\nd") == "a\r\nneu\r\nb\nc\r\nd"
    assert with_line_ends("a\nb\n", "a\r\nx\r\nb\r\n") == "a\nx\nb\n"
    assert with_line_ends("a\nb\n", "a\r\nb") == "a\nb"
    assert with_line_ends("a\nb", "a\r\nb\r\n") == "a\nb\n"
