"""Lists of tags: `v=1; a=rsa-sha256; d=example.org`, as DKIM, ARC and DMARC write them in fields and in the DNS.

Promises: never raises; linear; a list with any flaw is a list that cannot be used, and says which it is.

Source: RFC 6376 §3.2; RFC 6532 (UTF-8 in fields); RFC 9989 §4.7 (the same lists in the DNS).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BLANK = " \t\r\n"
_BLANK_OCTETS = _BLANK.encode("ascii")
# What no value may contain: controls that are no folding white space.
_CONTROLS = bytes(octet for octet in (*range(0x20), 0x7F) if octet not in _BLANK_OCTETS)
_USUAL = frozenset(
    {"v", "a", "b", "bh", "c", "d", "h", "i", "k", "l", "p", "q", "s", "t", "x", "cv"}
)  # no pattern is needed
_SHOWN = 40
_WIDTH = 76
_PIECE = 72


class Tags(NamedTuple):
    """The tags in the order they were written. With a `flaw` (in English) there are none.

    Names keep their case, which counts (§3.2). Values have no white space at their ends, what is within is as written;
    octets that are no UTF-8 are U+FFFD, which no value that counts may contain.
    """

    values: dict[str, str]
    flaw: str = ""

    def get(self, name: str) -> str | None:
        """Return the value of a tag; None without such a tag, for an empty value is something else."""
        return self.values.get(name)

    def compact(self, name: str) -> str | None:
        """Return the value without the white space within, which base64 and lists of names may contain."""
        value = self.values.get(name)
        if value is not None:
            for blank in _BLANK:
                if blank in value:
                    value = value.replace(blank, "")
        return value


def read_tags(octets: bytes) -> Tags:
    """Read a list of tags; a semicolon may stand at its end, and each name only once."""
    values: dict[str, str] = {}
    if len(octets.translate(None, _CONTROLS)) < len(octets):
        return Tags({}, "a control character in the list of tags")
    specs = octets.decode("utf-8", "replace").split(";")
    if not specs[-1].strip(_BLANK):
        specs.pop()
    if not specs:
        return Tags({}, "an empty list of tags")
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(_BLANK)
        if not equals or (name not in _USUAL and not _NAME.fullmatch(name)):
            shown = " ".join("".join([c if c.isascii() else "\ufffd" for c in spec[:_SHOWN]]).split())
            return Tags({}, f"no tag: '{shown}'" if shown else "an empty tag")
        if name in values:
            return Tags({}, f"the tag '{name[:_SHOWN]}' is there twice")
        values[name] = value.strip(_BLANK)
    return Tags(values)


def emptied(octets: bytes, wanted: bytes) -> bytes:
    """Return the list with nothing for the value of one tag, the white space around it deleted, too.

    Source: RFC 6376 §3.5 (b=), §3.7.
    """
    start = 0
    for spec in octets.split(b";"):
        name, equals, value = spec.partition(b"=")
        if equals and name.strip(_BLANK_OCTETS) == wanted:
            end = start + len(spec)
            return octets[: end - len(value)] + octets[end:]
        start += len(spec) + 1
    return octets


def write_field(name: str, tags: Mapping[str, str]) -> bytes:
    """Write a field with its CRLF; it is folded between tags, after the colons of h=, and anywhere in b= and bh=."""
    lines = [f"{name}:"]
    for tag, value in tags.items():
        pieces = _pieces(tag, value)
        whole = sum(map(len, pieces))
        for number, piece in enumerate(pieces):
            glue = "" if number else " "
            size = whole if not number and whole < _WIDTH else len(piece)
            if len(lines[-1]) + len(glue) + size > _WIDTH:
                lines.append("")
                glue = " "
            lines[-1] += glue + piece
    return ("\r\n".join(lines).removesuffix(";") + "\r\n").encode("ascii")


def _pieces(tag: str, value: str) -> list[str]:
    text = f"{tag}={value};"
    if tag == "h":
        return re.findall(r"[^:]*+:|[^:]++", text)
    if tag in ("b", "bh"):
        return [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    return [text]
