"""What is wrong with a rules file is said in German to who reads German: every sentence that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from maild import rules
from maild.errors import Diagnostic, Said, Value, said
from maild.mail import address
from maild.rules.findings import Code
from maild.rules.loader import load
from maild.web import language
from maild.web.language import catalogue
from maild.web.rules_draft import in_language
from tests.rules.test_diagnostics_page import WITHOUT_EXAMPLE, example

GERMAN = catalogue("de", "rules").single
CATALOGUE = Path(language.__file__).parent / "locale" / "de" / "rules.po"
THINGS = {"team", "list", "template", "rule", "address"}  # that have names
# Phrases are said where a field is read; elsewhere they are made by `said` alone.
READERS = {"scalar", "scalars", "items", "mapping", "text", "wrong"}
BROKEN = sorted((Path(__file__).parents[1] / "rules" / "broken").glob("*.yaml"))
FOREIGN = re.compile(r"#\. of [^\n]*\n(?:#[^\n]*\n)?msgid \"(.*)\"")


def _sentences() -> Iterator[str]:
    for path in Path(rules.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                if isinstance(node.value.value, str) and node.value.value.startswith("%(b)s "):
                    yield node.value.value
            elif isinstance(node, ast.Call):
                yield from _of_call(node)


def _of_call(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    place = 0 if name in ("said", "Said") else 1 if name in READERS else len(call.args)
    argument = call.args[place] if place < len(call.args) else None
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value:
        yield argument.value


def _of_addresses() -> set[str]:
    return set(re.findall(r'AddressError\("([^"]+)"\)', Path(address.__file__).read_text("utf-8")))


def test_every_sentence_about_rules_has_a_german_one_and_none_is_left_over() -> None:
    ours = {*_sentences(), *_of_addresses(), *THINGS, "a character that cannot be encoded"}
    assert ours - GERMAN.keys() == set()
    foreign = {each.replace("\\\\", "\\") for each in FOREIGN.findall(CATALOGUE.read_text("utf-8"))}
    assert GERMAN.keys() - ours - foreign == set()


def test_a_german_sentence_fills_in_what_the_english_one_does_and_is_another() -> None:
    holes = re.compile(r"%\(\w+\)s")
    for english, german in GERMAN.items():
        assert sorted(holes.findall(english)) == sorted(holes.findall(german)), english
        words = re.sub(r"[^\w']", "", holes.sub("", english))
        assert german != english or not words, english


def _untranslated(text: Said) -> Iterator[str]:
    if text.template and text.template not in GERMAN:
        yield text.template
    for _, value in text.values:
        yield from _of_value(value)


def _of_value(value: Value) -> Iterator[str]:
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, Said):
            yield from _untranslated(each)


def _told(text: str) -> tuple[Diagnostic, ...]:
    return load(text, "rules.yaml", read_list=lambda name: Path(name).read_text("utf-8"), today=date(2026, 1, 1))[1]


@pytest.mark.parametrize("code", sorted(set(Code) - WITHOUT_EXAMPLE))
def test_every_code_is_told_in_german(code: str) -> None:
    wrong = example(code, "wrong")
    assert wrong is not None
    found = _told(wrong)
    assert found
    for told in found:
        assert told.said is not None
        assert list(_untranslated(told.said)) == []
        german = in_language(told, "de")
        assert german != told.text
        assert in_language(told, "en") == told.text


def test_what_is_wrong_in_the_broken_files_is_told_in_german_without_leftovers() -> None:
    assert len(BROKEN) >= 60
    for path in BROKEN:
        for told in _told(path.read_text("utf-8", "surrogateescape")):
            assert told.said is not None
            assert list(_untranslated(told.said)) == [], path.name


def test_a_german_sentence_has_german_numbers_and_no_second_line() -> None:
    text = said("the file has more than %(most)s characters", most=5_000_000)
    told = Diagnostic(path="x", line=1, column=1, severity="error", code="too-large", text=str(text), said=text)
    assert in_language(told, "de") == "Die Datei hat mehr als 5.000.000 Zeichen"
    assert in_language(told, "en") == "the file has more than 5,000,000 characters"
    text = said("the key %(key)s stands already in line %(line)s", key="'a\n%(line)s'", line="3")
    assert in_language(
        Diagnostic(path="x", line=1, column=1, severity="error", code="x", text="", said=text), "de"
    ) == ("Der Schlüssel 'a\\x0a%(line)s' steht schon in Zeile 3")
