"""docs/rules.md against the code: it names every word of the language, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.rules import loader, rule_reader, rule_tests, texts, when
from maild.rules.operands import OPERATORS
from tests.rules.samples import codes

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads_without_a_finding(example: str) -> None:
    assert codes(example) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize(
    "word",
    sorted(
        {
            *loader.KEYS,
            *rule_reader.KEYS,
            *rule_reader.ACTIONS,
            *when.KEYS,
            *OPERATORS,
            *rule_tests.MAIL_KEYS,
            *rule_tests.EXPECT_KEYS,
            *(f"{{{name}}}" for name in texts.PLACEHOLDERS),
        }
    ),
)
def test_every_word_of_the_language_is_named(word: str) -> None:
    assert f"`{word}`" in PAGE.split("## Not yet")[0]
