"""docs/diagnostics.md against the code: every finding has its section, and every example does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.rules.findings import Code
from tests.rules.samples import codes

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "diagnostics.md").read_text(encoding="utf-8")
GERMAN = (DOCS / "diagnostics.de.md").read_text(encoding="utf-8")
_SECTION = re.compile(r"^### (\S+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```yaml (wrong|right)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(_SECTION.findall(PAGE))
# A team without a reader is no mistake of the text: `maild check` asks the archive who may read what.
WITHOUT_EXAMPLE = {Code.UNREADABLE, Code.TOO_LARGE, Code.TOO_DEEP, Code.UNREAD_TEAM}


def example(code: str, kind: str) -> str | None:
    found = re.search(rf"^```yaml {kind}\n(.*?)^```$", SECTIONS[code], re.MULTILINE | re.DOTALL)
    return found[1] if found else None


def test_every_code_has_a_section_and_every_section_a_code() -> None:
    assert sorted(SECTIONS) == sorted(Code)


def test_every_section_explains_in_a_sentence_at_least() -> None:
    for code, text in SECTIONS.items():
        assert len(text.split("```")[0].split()) >= 5, code


@pytest.mark.parametrize("code", sorted(set(Code) - WITHOUT_EXAMPLE))
def test_the_wrong_example_of_a_code_yields_that_code_alone(code: str) -> None:
    wrong = example(code, "wrong")
    assert wrong is not None
    assert set(codes(wrong)) == {code}


@pytest.mark.parametrize("code", sorted(set(Code) - WITHOUT_EXAMPLE))
def test_the_right_example_of_a_code_loads_without_a_finding(code: str) -> None:
    right = example(code, "right")
    assert right is not None
    assert codes(right) == []


def test_the_german_page_has_the_same_codes_and_examples_in_the_same_order() -> None:
    of_both = [[(code, _EXAMPLE.findall(text)) for code, text in _SECTION.findall(page)] for page in (PAGE, GERMAN)]
    assert of_both[0] == of_both[1]


def test_every_german_section_explains_in_a_sentence_at_least() -> None:
    for code, text in _SECTION.findall(GERMAN):
        assert len(text.split("```")[0].split()) >= 4, code
        assert text.split("```")[0] != SECTIONS[code].split("```")[0], code
