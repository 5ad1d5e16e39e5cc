"""How two texts of the rules differ, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator


def difference(old: str, new: str, old_name: str, new_name: str) -> Iterator[str]:
    """Yield the lines of a unified difference, without their ends."""
    yield from difflib.unified_diff(_lines(old), _lines(new), old_name, new_name, lineterm="")


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1]:
        return [*lines[:-1], f"{lines[-1]}  (no line end)"]
    return lines[:-1]
