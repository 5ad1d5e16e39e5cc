"""Files with one mistake each, as people make them: one finding, at the line and column where the mistake stands.

Each file says in its first lines what is to be found: `# expect: LINE:COLUMN SEVERITY[CODE]`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.rules.findings import Code
from maild.rules.rulebook import read_rules
from tests.rules.samples import TODAY

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.yaml"))
ELSEWHERE = {
    Code.TOO_LARGE: "five megabytes are made in tests/security/test_r1_yaml.py, not kept here",
    Code.UNREAD_TEAM: "it is about people, who are in no rules file: tests/cli/test_check.py",
}


def expected(path: Path) -> list[str]:
    return re.findall(r"^# expect: (\S+ \S+)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_broken_file_yields_what_it_says_and_nothing_else(path: Path) -> None:
    found = read_rules(path, shown=path.name, today=TODAY)
    assert [f"{d.line}:{d.column} {d.severity}[{d.code}]" for d in found.diagnostics] == expected(path)
    assert (found.ruleset is None) == any("error[" in line for line in expected(path))


def test_there_are_at_least_sixty_of_one_mistake_and_one_of_twenty() -> None:
    counts = [len(expected(path)) for path in FILES]
    assert counts.count(1) >= 60
    assert len(expected(FOLDER / "twenty_mistakes.yaml")) == 20
    assert set(counts) == {1, 20}


def test_every_code_occurs() -> None:
    met = {line.partition("[")[2].rstrip("]") for path in FILES for line in expected(path)}
    assert sorted(set(Code) - met) == sorted(ELSEWHERE)
