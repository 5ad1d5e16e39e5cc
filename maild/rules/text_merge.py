"""Joining two changes of one text, line by line, where they do not touch each other."""

from __future__ import annotations

from typing import NamedTuple

from maild.rules.difference import LineMatcher
from maild.rules.layout import lines_of


class _Change(NamedTuple):
    first: int
    until: int
    lines: list[str]


def merged(base: str, mine: str, theirs: str) -> str | None:
    """Return `theirs` with what `mine` changes in `base`; None when both change the same place."""
    old = lines_of(base)
    changes = sorted([*_changes(old, lines_of(mine)), *_changes(old, lines_of(theirs))])
    result: list[str] = []
    at, before = 0, None
    for change in changes:
        if change == before:
            continue
        if before is not None and (change.first < before.until or change.first == before.first):
            return None
        result += [*old[at : change.first], *change.lines]
        at, before = change.until, change
    return "".join([*result, *old[at:]])


def _changes(old: list[str], new: list[str]) -> list[_Change]:
    found = LineMatcher(old, new).get_opcodes()
    return [_Change(i, j, new[k:m]) for kind, i, j, k, m in found if kind != "equal"]
