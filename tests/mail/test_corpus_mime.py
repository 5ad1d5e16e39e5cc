from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.mail.expectations import ASPECTS, Comparison, compare, expectations

DIFFERENCES = Path(__file__).parent.parent.parent / "docs" / "parsing-differences.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z, ]+) \| \S.{15,} \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def compared(corpus: Path) -> dict[str, list[Comparison]]:
    return {name: list(compare(content, expected)) for name, content, expected in expectations(corpus / "mime")}


def listed() -> dict[str, list[str]]:
    return {name: aspects.split(", ") for name, aspects in ROW.findall(DIFFERENCES.read_text())}


def test_all_expectations_of_the_corpus_are_compared(compared: dict[str, list[Comparison]]) -> None:
    assert len(compared) == 104
    assert {c.aspect for found in compared.values() for c in found} == set(ASPECTS)


def test_nineteen_of_twenty_comparisons_agree(compared: dict[str, list[Comparison]]) -> None:
    agrees = Counter(c.agrees for found in compared.values() for c in found)
    assert agrees[True] / agrees.total() >= 0.95


def test_every_difference_is_listed_with_its_reason(compared: dict[str, list[Comparison]]) -> None:
    differences = defaultdict(set)
    for name, found in compared.items():
        for comparison in found:
            if not comparison.agrees:
                differences[name.removesuffix(".crlf")].add(comparison.aspect)
    assert {name: sorted(aspects) for name, aspects in differences.items()} == {
        name: sorted(aspects) for name, aspects in listed().items()
    }


def test_the_figures_of_the_list_are_true(compared: dict[str, list[Comparison]]) -> None:
    agrees = Counter(c.agrees for found in compared.values() for c in found)
    figures = re.search(r"agrees on ([\d,]+) of ([\d,]+) items", DIFFERENCES.read_text().replace("\n", " "))
    assert figures
    assert [int(n.replace(",", "")) for n in figures.groups()] == [agrees[True], agrees.total()]


def test_line_ends_change_nothing_but_themselves(compared: dict[str, list[Comparison]]) -> None:
    for name, found in compared.items():
        if not name.endswith(".crlf"):
            assert found == compared[f"{name}.crlf"]
