"""Macros of SPF: texts with places for what a mail came with.

A text is parsed once, with its record, and expanded for each mail. Both are linear and bounded, and pure.

Source: RFC 7208 §7; RFC 8616 §4 (local parts beyond ASCII).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PIECE = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([.+,/_=-]*)\}|%([%_-])|([!-$&-~]+)")
_PIECE_OF_TEXT = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([.+,/_=-]*)\}|%([%_-])|([ -$&-~]+)")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_LETTERS = frozenset("slodiphv")
_LETTERS_OF_TEXT = _LETTERS | frozenset("crt")
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_MOST_PARTS = 128  # RFC 7208 §7.3: at least 127; a name has no more
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_NAME_OCTETS = 253
EXPLANATION_OCTETS = 1_000


class MacroError(Exception):
    """A text that breaks the grammar; its message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """One macro: `%{d2r-}`. `keep` is how many parts from the right stay; 0 for all."""

    letter: str  # in lower case
    keep: int = 0
    reverse: bool = False
    delimiters: str = "."
    escape: bool = False

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the value as the macro wants it."""
        value = values[self.letter]
        if self.keep or self.reverse or self.delimiters != ".":
            parts = value.translate(dict.fromkeys(map(ord, self.delimiters), "\n")).split("\n")
            if self.reverse:
                parts.reverse()
            value = ".".join(parts[-self.keep :])
        return _escaped(value) if self.escape else value


Template = tuple[str | Macro, ...]


def parse_domain(text: str) -> Template:
    """Read a domain-spec.

    Raises:
        MacroError: it is none.
    """
    pieces = parse_macros(text)
    last = pieces[-1] if pieces else ""
    if isinstance(last, str) and last not in _ESCAPES.values():
        # Asked of the text as it stands there, not of what becomes of it (RFC 7208 §7.1, toplabel).
        _, dot, label = last.removesuffix(".").rpartition(".")
        if not dot or not _TOP_LABEL.fullmatch(label) or label.isdigit():
            raise MacroError(f"'{shortened(text)}' is not a domain")
    return pieces


def parse_macros(text: str, *, explanation: bool = False) -> Template:
    """Read a macro-string, or the text of an explanation: it may have blanks, and more letters.

    Raises:
        MacroError: it is none.
    """
    pattern, letters = (_PIECE_OF_TEXT, _LETTERS_OF_TEXT) if explanation else (_PIECE, _LETTERS)
    pieces: list[str | Macro] = []
    at = 0
    while (found := pattern.match(text, at)) is not None:
        at = found.end()
        letter, digits, reverse, delimiters, escape, literal = found.groups()
        if letter is None:
            pieces.append(literal or _ESCAPES[escape])
        elif letter.lower() not in letters:
            raise MacroError(f"'%{{{letter}}}' is not a macro here")
        else:
            pieces.append(_macro(letter, digits, bool(reverse), delimiters))
    if at != len(text):
        raise MacroError(f"'{shortened(text[at:])}' is not a macro")
    return tuple(pieces)


def _macro(letter: str, digits: str, reverse: bool, delimiters: str) -> Macro:
    significant = digits.lstrip("0")
    if digits and not significant:
        raise MacroError("a macro keeps none of its parts")
    return Macro(
        letter=letter.lower(),
        keep=min(int(significant[:4] or 0), _MOST_PARTS),
        reverse=reverse,
        delimiters=delimiters or ".",
        escape=letter.isupper(),
    )


def letters_in(template: Template) -> frozenset[str]:
    """Return the letters of the macros that a text uses."""
    return frozenset([piece.letter for piece in template if isinstance(piece, Macro)])


def expand_domain(template: Template, values: Mapping[str, str]) -> str:
    """Return the name that a domain-spec means; whole labels go at the left of one that is too long (§7.3).

    It may have characters beyond ASCII where a local part has them. Then it is no name that could match (RFC 8616 §4).
    """
    pieces: list[str] = []
    octets = 0
    for piece in reversed(template):
        pieces.append(piece if isinstance(piece, str) else piece.expand(values))
        octets += len(pieces[-1])
        if octets > _NAME_OCTETS + 1:
            break  # what stands further left would go anyway
    name = "".join(reversed(pieces)).removesuffix(".")
    if len(name) <= _NAME_OCTETS:
        return name
    end = name.find(".", len(name) - _NAME_OCTETS - 1)
    return name[end + 1 :] if end >= 0 else name


def expand_text(template: Template, values: Mapping[str, str]) -> str:
    """Return an explanation, cut where it becomes a book."""
    pieces: list[str] = []
    octets = 0
    for piece in template:
        pieces.append(piece if isinstance(piece, str) else piece.expand(values))
        octets += len(pieces[-1])
        if octets > EXPLANATION_OCTETS:
            break
    return "".join(pieces)[:EXPLANATION_OCTETS]


def shortened(text: str, octets: int = 80) -> str:
    """Return a piece of a record for a message about it."""
    plain = text[: octets + 1]
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join([c if " " <= c <= "~" else "\ufffd" for c in plain])
    return plain if len(plain) <= octets else plain[: octets - 1] + "…"


def _escaped(value: str) -> str:
    octets = value.encode("utf-8", "replace")
    return "".join([chr(octet) if octet in _UNRESERVED else f"%{octet:02X}" for octet in octets])
