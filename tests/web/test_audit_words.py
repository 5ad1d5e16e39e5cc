"""The words of the audit log's page: none of those that the code writes is shown as it stands in the database."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import maild
from maild.mail.acts import Act
from maild.web.audit_words import ACTS, VALUES

PACKAGE = Path(maild.__file__).parent
WRITERS = {"acted", "by_operator", "note_acts", "note_credential", "record"}


def _constants(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a call or a dictionary gives as `what`, where it is a record of the log."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        yield from (each.value for each in node.keywords if each.arg == "what" and name in WRITERS)
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "what")


def _recorded() -> set[str]:
    written = set()
    for path in (each for room in ("archive", "intake", "web", "cli") for each in (PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict) and path.parent.name == "cli":
                continue  # what a verb prints
            for value in _constants(node):
                ends = (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,)
                written |= {str(each.value) for each in ends if isinstance(each, ast.Constant)}
    return written


def test_each_act_and_each_thing_done_has_words_for_auditors() -> None:
    assert ACTS.keys() == set(Act)
    recorded = _recorded()
    assert len(recorded) > 20
    assert recorded - VALUES["what"].keys() == set()
