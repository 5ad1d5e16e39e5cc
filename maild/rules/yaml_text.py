"""Texts as YAML: written so that every reader takes them for these texts again, whatever is in them."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[^\W\d_](?:[\w./+-]|(?<=\S) (?=\S))*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(text: str) -> str:
    """Write a text as a person would, in any place: without quotes where it needs none."""
    if _PLAIN.fullmatch(text) and text.isprintable() and text.lower() not in _WORDS:
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """Write a text in quotes."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
