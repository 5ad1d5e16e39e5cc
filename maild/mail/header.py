"""The header block: its fields as they are written, unfolded and decoded for whoever asks.

Promises: never raises; linear; fields are found in CRLF, LF and CR text, and lines that are no field are passed over.

Source: RFC 5322 §2.2, §3.6.8; RFC 6532 (UTF-8 in header fields).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from maild.mail import charset
from maild.mail.words import decode_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much structure is read. Beyond, a message is source only; what was read is kept."""

    depth: int = 50
    parts: int = 1000
    fields: int = 2000
    header_bytes: int = 256 * 1024
    field_bytes: int = 64 * 1024
    addresses: int = 500
    parameters: int = 128
    boundary_bytes: int = 256
    false_boundaries: int = 100_000


LIMITS = Limits()


class Field(NamedTuple):
    """A header field (a tuple, for every message makes dozens).

    What it says is worked out when somebody asks: of most fields nobody does.
    """

    key: str  # its name, in lower case
    written: str  # what follows the colon, folded as it stands there; octets read as UTF-8 or else windows-1252

    @property
    def raw(self) -> str:
        """The value unfolded: what a structured field is parsed from."""
        written = self.written
        if "\n" not in written:
            return written.strip()
        return " ".join([line for line in map(str.strip, written.split("\n")) if line])

    @property
    def value(self) -> str:
        """The value unfolded and decoded (RFC 2047): what a person reads."""
        return decode_words(self.raw)


@dataclass(frozen=True, slots=True)
class Header:
    """A header block: where it ends, where the body begins, its fields, and the limit it broke, if any."""

    fields: tuple[Field, ...]
    end: int
    body_start: int
    over: str | None = None

    def first(self, key: str) -> Field | None:
        """Return the first field of a lower-case name."""
        return next((f for f in self.fields if f.key == key), None)


_FIELD = re.compile(r"^([!-9;-~\x80-\xff]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)", re.MULTILINE)
_ODD_BLANK_LINE = re.compile(rb"\n\r*+\n")
_FIRST_WINDOW = 4096


def newline_of(content: bytes) -> bytes:
    """Return the octet that ends lines: LF, or CR where a text begins with (almost) nothing but those."""
    if content.find(b"\r\n", 0, _FIRST_WINDOW) >= 0:
        return b"\n"
    returns, feeds = content.count(b"\r", 0, _FIRST_WINDOW), content.count(b"\n", 0, _FIRST_WINDOW)
    return b"\r" if returns > 3 * feeds else b"\n"


def read_header(content: bytes, start: int, end: int, newline: bytes, limits: Limits = LIMITS) -> Header:
    """Read the header block that begins at `start`; it does not reach beyond `end`."""
    block_end, body_start, over = _extent(content, start, end, newline, limits)
    octets = content[start:block_end]
    plain = octets.isascii()
    text = octets.decode("ascii" if plain else "latin-1")
    if newline == b"\r":
        text = text.replace("\r", "\n")
    found = _FIELD.findall(text)
    if len(text) > limits.field_bytes and any(len(written) > limits.field_bytes for _, written in found):
        found = [(name, written[: limits.field_bytes]) for name, written in found]
        over = "header"
    if len(found) > limits.fields:
        del found[limits.fields :]
        over = "fields"
    if body_start < 0:
        count, size = _leading_fields(text)
        del found[count:]
        block_end = body_start = start + size
    if not plain:
        found = [(n, w if w.isascii() else charset.guess(w.encode("latin-1"))) for n, w in found]
    return Header(tuple([Field(name.lower(), written) for name, written in found]), block_end, body_start, over)


def _extent(content: bytes, start: int, end: int, newline: bytes, limits: Limits) -> tuple[int, int, str | None]:
    """Return where the block ends, where the body begins (-1: there is no blank line), and the limit broken."""
    lead = content[start : min(start + 2, end)]
    if lead[:1] == newline:
        return start, start + 1, None
    if lead == b"\r\n":
        return start, start + 2, None
    longest = min(end, start + limits.header_bytes)
    window = min(longest, start + _FIRST_WINDOW)
    while True:
        found = _blank_line(content, start, window, newline)
        if found:
            return *found, None
        if window == longest:
            break
        window = min(longest, start + (window - start) * 8)
    if longest < end:
        return longest, end, "header"
    return end, -1, None


def _blank_line(content: bytes, start: int, end: int, newline: bytes) -> tuple[int, int] | None:
    if newline == b"\r":
        at = content.find(b"\r\r", start, end)
        return (at + 1, at + 2) if at >= 0 else None
    crlf = content.find(b"\n\r\n", start, end)
    lone = content.find(b"\n\n", start, crlf if crlf >= 0 else end)
    if lone >= 0:
        return lone + 1, lone + 2
    if crlf >= 0:
        return crlf + 1, crlf + 3
    odd = _ODD_BLANK_LINE.search(content, start, end)
    return (odd.start() + 1, odd.end()) if odd else None


def _leading_fields(text: str) -> tuple[int, int]:
    """Return how many fields a text without blank line begins with, and where its body begins: behind them."""
    at = count = 0
    if text.startswith(("From ", ">From ")):
        at = text.find("\n") + 1 or len(text)
    for match in _FIELD.finditer(text):
        if match.start() != at:
            break
        count += 1
        at = match.end()
        while at < len(text) and text[at] in "\r\n":
            at += 1
    return count, at
