"""Mail in the form that is signed: its fields and its body, `simple` and `relaxed`.

Only CRLF ends a line, for that is what the signer saw (RFC 6376 §5.3). A bare LF or CR in a body is an octet like any
other. In a header it would be, too, but readers take it for the end of a field; so nothing that is signed above it can
be believed, and the header has a flaw. The same holds for lines that are no field, which readers pass over.

Promises: never raises; linear, whatever the white space; the body is read in pieces and never copied as a whole.

Source: RFC 6376 §3.4.1 to §3.4.4, §5.3, §5.4.2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from maild.mail.header import LIMITS

SIMPLE, RELAXED = "simple", "relaxed"

_CRLF = b"\r\n"
_BLANK_LINE = b"\r\n\r\n"
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_NAME = re.compile(rb"([!-9;-~\x80-\xff]+)[ \t]*")
_KEPT_NAME_OCTETS = 64
_PIECE = 1 << 17  # what a processor's cache holds
_RELAXED_PIECE = 1 << 14  # small: most of a large mail is base64, where nothing is to be narrowed
_LINES_AT_ONCE = 1 << 15
_MANY_LINES = _CRLF * _LINES_AT_ONCE
_MANY_SPACES = b" " * 16


class SignedField(NamedTuple):
    """A field as it stands in the mail, without the CRLF at its end."""

    key: bytes  # in lower case
    octets: bytes

    @property
    def value(self) -> bytes:
        return self.octets.partition(b":")[2]

    def canonical(self, form: str) -> bytes:
        """Return the field as it is signed, with its CRLF."""
        if form == SIMPLE:
            return self.octets + _CRLF
        value = self.octets.partition(b":")[2]
        if _CRLF in value:
            value = value.replace(_CRLF, b"")
        if b"  " in value or b"\t" in value:
            value = _narrowed(value)
        return b"%b:%b\r\n" % (self.key, value.strip(b" "))


class Mail(NamedTuple):
    """A header, and where the body begins. With a `flaw` (in English) nothing that is signed can be believed."""

    fields: tuple[SignedField, ...]
    body_start: int
    flaw: str = ""


class BodyHash(NamedTuple):
    """What the body comes to in one form, and how many octets it has there."""

    digest: bytes
    size: int


def read_mail(content: bytes) -> Mail:
    """Split mail as a signer does. The limits are those of whoever shows it."""
    end, body_start = _extent(content)
    if end > LIMITS.header_bytes:
        return Mail((), body_start, "the header is too long")
    header = content[:end]
    if not header:
        return Mail((), body_start)
    without = header.replace(_CRLF, b"")  # a search for one octet is quicker than to count it
    if b"\n" in without or b"\r" in without:
        return Mail((), body_start, "line ends in the header that are no CRLF")
    lines = _FIELD_END.split(header.removesuffix(_CRLF), LIMITS.fields)
    if len(lines) > LIMITS.fields:
        return Mail((), body_start, "too many fields")
    fields = []
    may_be_too_long = end > LIMITS.field_bytes
    for octets in lines:
        name, colon, _ = octets.partition(b":")
        key = _key(name) if len(name) <= _KEPT_NAME_OCTETS else _read_key(name)
        if key is None or not colon:
            return Mail((), body_start, "a line in the header that is no field")
        if may_be_too_long and len(octets) > LIMITS.field_bytes:
            return Mail((), body_start, "a field is too long")
        fields.append(SignedField(key, octets))
    return Mail(tuple(fields), body_start)


def _read_key(name: bytes) -> bytes | None:
    named = _NAME.fullmatch(name)
    return None if named is None else named[1].lower()


_key = lru_cache(maxsize=512)(_read_key)  # most mail has the same few


def _extent(content: bytes) -> tuple[int, int]:
    """Return where the header ends, and where the body begins; without a blank line all of it is header."""
    if content.startswith(_CRLF):
        return 0, len(_CRLF)
    at = content.find(_BLANK_LINE, 0, LIMITS.header_bytes + len(_BLANK_LINE))
    return (at, at + len(_BLANK_LINE)) if at >= 0 else (len(content), len(content))


def _narrowed(octets: bytes) -> bytes:
    """Return the octets with one space for each run of white space.

    Sixteen at a time and then two: a run of any length is gone after few passes, each of them as quick as a search.
    """
    if b"\t" in octets:
        octets = octets.replace(b"\t", b" ")
    if b" " not in octets or b"  " not in octets:
        return octets
    while _MANY_SPACES in octets:
        octets = octets.replace(_MANY_SPACES, b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def chosen(fields: tuple[SignedField, ...], names: Collection[bytes], own: int = -1) -> list[int]:
    """Return the places of the fields that a list of names means: of each name the lowest first (RFC 6376 §5.4.2).

    A name without a field that is left means that there is none: it has no place.

    Args:
        fields: of the mail.
        names: in lower case.
        own: the place of the signature itself, which no list means.
    """
    places: dict[bytes, list[int]] = {name: [] for name in names}
    for place, (key, _) in enumerate(fields):
        if key in places and place != own:
            places[key].append(place)
    return [places[name].pop() for name in names if places[name]]


def body_hash(content: bytes, start: int, form: str) -> BodyHash:
    """Hash (SHA-256) the body that begins at `start`."""
    if form == SIMPLE:
        return _simple(content, start)
    pieces = range(start, len(content), _RELAXED_PIECE)
    return relaxed_body(content[begin : begin + _RELAXED_PIECE] for begin in pieces)


def _simple(content: bytes, start: int) -> BodyHash:
    end = _without_last_lines(content, start)
    hashed = hashlib.sha256(memoryview(content)[start:end])
    hashed.update(_CRLF)
    return BodyHash(hashed.digest(), end - start + len(_CRLF))


def _without_last_lines(content: bytes, start: int) -> int:
    """Return where a body ends when all CRLF are taken from its end."""
    # Invariant: pieces have an even size, so that no CRLF at the end lies in two of them.
    end = len(content)
    while end > start:
        begin = max(start, end - _PIECE)
        kept = _kept(content[begin:end])
        if kept:
            return begin + kept
        end = begin
    return start


def _kept(piece: bytes) -> int:
    """Return how many octets are left of a piece when all CRLF are taken from its end."""
    kept = len(piece.rstrip(_CRLF))
    tail = piece[kept:]
    if not tail.endswith(_CRLF):
        return len(piece)
    # What is left may hold bare CR and LF: only the pairs behind the last of them are line ends.
    odd = max(tail.rfind(b"\n\n"), tail.rfind(b"\r\r")) + 1
    if tail[odd] == ord("\n"):
        odd += 1
    return kept + odd


def relaxed_body(pieces: Iterable[bytes]) -> BodyHash:
    """Hash a body in the relaxed form as it comes, cut anywhere."""
    hashed = hashlib.sha256()
    size = lines = 0
    for piece in _relaxed_pieces(pieces):
        kept = _kept(piece)
        if kept:
            size += kept + lines * len(_CRLF)
            _end_lines(hashed, lines)
            hashed.update(memoryview(piece)[:kept])
            lines = 0
        lines += (len(piece) - kept) // len(_CRLF)
    if size:
        hashed.update(_CRLF)
        size += len(_CRLF)
    return BodyHash(hashed.digest(), size)


def _end_lines(hashed: hashlib._Hash, count: int) -> None:
    while count > _LINES_AT_ONCE:
        hashed.update(_MANY_LINES)
        count -= _LINES_AT_ONCE
    hashed.update(_MANY_LINES[: count * len(_CRLF)])


def _relaxed_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the body without the white space that does not count; no piece ends within a CRLF.

    What may still become the end of a line is held back for the next piece: a space, a CR, or both.
    """
    held = b""
    for each in pieces:
        piece = _narrowed(held + each)
        if b" " in piece and b" \r\n" in piece:
            piece = piece.replace(b" \r\n", _CRLF)
        spoken = len(piece) - piece.endswith(b"\r")
        spoken -= piece.endswith(b" ", 0, spoken)
        held = piece[spoken:]
        yield piece[:spoken] if held else piece
    if held not in (b"", b" "):
        yield held
