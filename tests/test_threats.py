"""docs/threats.md names every attack and every fault that is tested, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_ROW = re.compile(r"^\| ([A-Z]\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
_NAMED = re.compile(r"test_([a-z]\d+)_\w+\.py")
_FOUND = _ROW.findall((ROOT / "docs" / "threats.md").read_text())
ROWS = dict(_FOUND)


def test_each_threat_has_one_row_and_every_row_is_read() -> None:
    lines = (ROOT / "docs" / "threats.md").read_text().splitlines()
    written = [found[1] for line in lines if (found := re.match(r"\| ([A-Z]\d+) \|", line))]
    assert written == [threat for threat, _ in _FOUND]
    assert len(set(written)) == len(written)


@pytest.mark.parametrize("threat", ROWS)
def test_the_tests_of_a_threat_are_there(threat: str) -> None:
    paths = re.findall(r"`([^`]+)`", ROWS[threat])
    assert paths
    for path in paths:
        assert "def test_" in (ROOT / path).read_text(), path


def test_every_file_that_is_named_after_a_threat_is_in_the_table() -> None:
    files = sorted((ROOT / "tests" / "security").glob("test_*.py"))
    assert len(files) > 30
    for path in files:
        named = _NAMED.fullmatch(path.name)
        assert named is not None, path.name
        assert f"`tests/security/{path.name}`" in ROWS[named[1].upper()], path.name
