"""Where keys and values stand in a TOML text: line and column for diagnostics.

`tomllib` has already accepted the text, so this scanner only has to find its way, not to judge.

Source: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_HEADER = re.compile(rf"\[\[?[ \t]*({_KEY.pattern})[ \t]*\]\]?")
_PARTS = re.compile(_PART)
# One step through a value: a string, whole; a comment; a bracket; or any other character.
_STEP = re.compile(
    r'"{3}(?:[^\\]|\\.)*?"{3,5}|' r"'{3}.*?'{3,5}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'|#[^\n]*|.",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Offsets, in characters, of a key and of its value. A section header is its own value."""

    key: int
    value: int


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PARTS.findall(text))


def _value_end(text: str, start: int) -> int:
    depth = 0
    for step in _STEP.finditer(text, start):
        if step[0] in "[{":
            depth += 1
        elif step[0] in "]}":
            depth -= 1
        elif step[0] == "\n" and depth == 0:
            return step.end()
    return len(text)


def _statements(text: str) -> Iterator[tuple[tuple[str, ...], Place]]:
    table: tuple[str, ...] = ()
    at = 0
    while (at := _BLANK.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # matches the empty text
        if header := _HEADER.match(text, at):
            table = _keys(header[1])
            yield table, Place(key=at, value=at)
            at = header.end()
            continue
        key = _KEY.match(text, at)
        if key is None:
            return  # not TOML after all: better no place than a wrong one
        value = re.compile(r"[ \t]*=[ \t]*").match(text, key.end())
        start = value.end() if value else key.end()
        yield (*table, *_keys(key[0])), Place(key=at, value=start)
        at = _value_end(text, start)


def places(text: str) -> dict[tuple[str, ...], Place]:
    """Return where each key path first stands. Tables made by dotted keys only are at their first key."""
    found: dict[tuple[str, ...], Place] = {}
    for keys, place in _statements(text):
        for length in range(1, len(keys) + 1):
            found.setdefault(keys[:length], place)
    return found


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column, from 1, of an offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
