"""The JSON Schema of the rules file: it takes what the loader takes, and finds what a schema can find."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from maild.rules import loader, organisation, rule_reader, rule_tests, when
from maild.rules.addresses import KEYS as ADDRESS_KEYS
from maild.rules.operands import OPERATORS
from maild.rules.schema import rules_schema
from tests.rules.samples import ADDRESSES, TEAMS, completed

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(rules_schema())


def shown(page: str, kind: str) -> list[str]:
    """The examples of a page of the documentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```yaml{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


RIGHT = shown("diagnostics.md", " right") + shown("rules.md", "")
BROKEN = {
    "misspelt_condition", "misspelt_operator", "misspelt_section", "discard", "actions_for_then", "urgent_for_high",
    "capitals_in_a_rule_id", "yes_for_true",
    "team_without_braces", "team_without_a_name", "rule_without_then", "no_fallback", "language_fr",
    "test_without_a_recipient", "german_date", "size_in_words", "then_does_nothing", "version_2",
    "condition_compared_with_nothing", "hours_that_end_before_they_begin", "german_days",
}  # fmt: skip
BEYOND = {"hours_that_end_before_they_begin"}  # a pattern cannot compare


class Core(yaml.CSafeLoader):
    """Reads scalars as YAML 1.2 does, and as editors do."""


Core.yaml_implicit_resolvers = {}


for tag, pattern, firsts in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("null", r"~|null|", ["~", "n", ""]),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(firsts))


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.load(text, Loader=Core))]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(rules_schema())


def test_the_example_is_valid_and_leads_editors_to_the_schema() -> None:
    text = (ROOT / "rules.example.yaml").read_text(encoding="utf-8")
    assert errors(text) == []
    first = text.partition("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (ROOT / first.partition("=")[2]).is_file()


@pytest.mark.parametrize("fragment", [*RIGHT, TEAMS + ADDRESSES.replace("b.example", "musterstadt.example")])
def test_whatever_the_documentation_shows_as_right_is_valid(fragment: str) -> None:
    assert errors(completed(fragment)) == []


@pytest.mark.parametrize("name", sorted(BROKEN - BEYOND))
def test_a_mistake_of_form_is_found(name: str) -> None:
    assert errors((Path(__file__).parent / "broken" / f"{name}.yaml").read_text(encoding="utf-8"))


def test_the_published_schema_is_this_one() -> None:
    published = (ROOT / "docs" / "rules.schema.json").read_text(encoding="utf-8")
    assert published == json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n", "make docs"


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for inner in schema.values():
            yield from properties(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from properties(inner)


def test_every_key_of_the_language_is_described() -> None:
    found = dict(properties(rules_schema()))
    assert set(found) >= {
        *loader.KEYS, *organisation.ORGANISATION_KEYS, *organisation.TEAM_KEYS, *ADDRESS_KEYS, *rule_reader.KEYS,
        *rule_reader.ACTIONS, *when.KEYS, *OPERATORS, *rule_tests.MAIL_KEYS, *rule_tests.EXPECT_KEYS,
    }  # fmt: skip
    silent = {key for key, schema in properties(rules_schema()) if not schema.get("description")}
    assert silent <= {"is", "list"}  # of a language, and of the reference to a list
