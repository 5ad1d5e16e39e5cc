"""Header fields with parameters: `Content-Type`, `Content-Disposition`.

Promises: never raises; linear.

Source: RFC 2045 §5.1, RFC 2183, RFC 2231 §3 and §4.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from maild.mail import charset
from maild.mail.words import decode_words, one_line

_VALUE = re.compile(r"\s*+(?:\([^()]*+\)\s*+)*([^\s;,()]*+)")
# Interop: some senders leave out semicolons, so a blank and `name=` begin a parameter too. A run of blanks is looked
# at from its first one only, which keeps the search linear.
_PARAMETER = re.compile(
    r"""(?:;|(?<!\s)\s)\s*+([^\s=;"]++)\s*+=\s*+"""
    r"""(?:"([^"\\]*+(?:\\.[^"\\]*+)*)"?|([^;\s]*+(?:\s++(?![^\s=;"]{1,60}+\s?=)[^;\s]*+)*))""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]++)\*(?:([0-9]{1,5})(\*?))?\Z")
_COMMENT = re.compile(r"\s\([^()]*+\)?\s*+\Z")


def parse_parameters(raw: str, limit: int) -> tuple[str, dict[str, str], bool]:
    """Return the lower-case value, its decoded parameters by lower-case name, and whether there were too many.

    The first parameter of a name that is not empty wins; sections (RFC 2231) win over a plain one.
    """
    if not raw:
        return "", {}, False
    head = _VALUE.match(raw)
    value = head[1].lower() if head else ""
    start = head.end() if head else 0
    if start == len(raw):
        return value, {}, False
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    over = False
    for count, match in enumerate(_PARAMETER.finditer(raw, start)):
        if count == limit:
            over = True
            break
        name, text = match[1].lower(), _text(match[2], match[3])
        section = _SECTION.match(name) if "*" in name else None
        if section is None:
            plain[name] = plain.get(name) or text
        else:
            encoded = section[2] is None or bool(section[3])
            sections.setdefault(section[1], []).append((int(section[2] or 0), encoded, text))
    for name, text in plain.items():
        plain[name] = decode_words(text)
    for name, found in sections.items():
        plain[name] = _joined(found)
    return value, plain, over


def _text(quoted: str | None, bare: str | None) -> str:
    if quoted is not None:
        return _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
    text = (bare or "").strip()
    return _COMMENT.sub("", text) if text.endswith(")") else text


def _joined(found: list[tuple[int, bool, str]]) -> str:
    """Join the sections of one parameter; octets of all encoded ones share the charset that the first names."""
    found.sort(key=lambda section: section[0])
    label, seen = "", -1
    pieces: list[bytes] = []
    for number, encoded, text in found:
        if number == seen:
            continue
        seen, piece = number, text
        if encoded and not pieces and piece.count("'") >= 2:
            label, _, piece = piece.split("'", 2)
        pieces.append(unquote_to_bytes(piece) if encoded else piece.encode("utf-8", "replace"))
    return one_line(charset.decode(b"".join(pieces), label))
