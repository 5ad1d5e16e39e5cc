"""docs/logs.md is the vocabulary of events: it and the code say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEVELS = frozenset({"debug", "info", "warning", "error"})
ROW = re.compile(r"\| `([\w.]+)` \| (\w+) \|([^|]*)\|")


def constants(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return constants(node.body) + constants(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    return []


def is_log(node: ast.expr) -> bool:
    """`_log` or `structlog.get_logger()`."""
    if isinstance(node, ast.Call):
        return is_log(node.func)
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in {"_log", "get_logger"}


def events_of(path: Path) -> Iterator[tuple[str, str, frozenset[str]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not is_log(node.func.value):
            continue
        facts = frozenset(k.arg for k in node.keywords if k.arg is not None) - {"exc_info"}
        if node.func.attr in LEVELS:
            names = constants(node.args[0])
            assert names, f"{path}:{node.lineno}: an event's name is a constant"
            yield from ((name, node.func.attr, facts) for name in names)
        elif node.func.attr == "log":  # a level that is computed
            yield from ((name, "any", facts) for name in constants(node.args[1]))


def in_code() -> dict[str, tuple[str, frozenset[str]]]:
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for path in sorted((ROOT / "maild").rglob("*.py")):
        for name, level, facts in events_of(path):
            before = found.get(name, (level, frozenset()))
            found[name] = (level, before[1] | facts)
    return found


def in_docs() -> dict[str, tuple[str, frozenset[str]]]:
    text = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    return {name: (level, frozenset(re.findall(r"`(\w+)`", facts))) for name, level, facts in ROW.findall(text)}


def test_every_event_is_documented_with_its_level_and_facts() -> None:
    assert in_docs() == in_code()


def test_events_are_named_by_a_noun_and_what_happened() -> None:
    assert [name for name in in_code() if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", name)] == []


def test_no_event_has_a_fact_that_could_hold_what_a_mail_says() -> None:
    forbidden = {"subject", "body", "text_of", "password", "token", "content", "excerpt", "query"}
    assert {name for name, (_, facts) in in_code().items() if facts & forbidden} == set()
