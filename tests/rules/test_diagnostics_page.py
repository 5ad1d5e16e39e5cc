"""docs/diagnostics.md against the code: every finding has its section, and every example does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.rules.findings import Code
from tests.rules.samples import codes

PAGE = (Path(__file__).parents[2] / "docs" / "diagnostics.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
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
