"""Read the structure of a message: header fields and part tree as ranges of its octets.

Promises: `parse` never raises, for any octets; it copies no body; its time is linear in the octets (times the
depth, which is limited). Beyond a limit `source_only` names it, and what was read so far is kept.

Source: RFC 5322, RFC 2045, RFC 2046 §5.1; part numbers: RFC 9051 §6.4.5.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from maild.mail import charset, transfer
from maild.mail.header import LIMITS, Field, Header, Limits, newline_of, read_header
from maild.mail.parameters import parse_parameters
from maild.mail.uuencode import find_pasted
from maild.mail.words import decode_words, one_line

_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
_UU_ENCODINGS = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+(?:\r*+\n|\r|\Z)")
_MEDIA_TYPE = re.compile(r"[!-.0-~]+/[!-.0-~]+\Z")
_GUESSED_BOUNDARY = re.compile(rb"[\r\n]--([^\r\n]{1,70}?)[ \t]*+\r?\n(?=Content-)", re.IGNORECASE)
_GUESS_BYTES = 65_536
_LONGEST_DECODED = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a message: what its header says, and where it lies in the octets.

    `path` is the number that IMAP gives it; a multipart that is a whole message has none and is `TEXT`. The
    `body` range is not decoded. The only child of `message/rfc822` is the message within.
    """

    path: str
    media_type: str = "text/plain"  # lower-case
    charset: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()  # of Content-Type, decoded, by lower-case name
    disposition: str | None = None
    filename: str | None = None  # as the sender wrote it: never a path to open
    encoding: str = ""  # lower-case transfer encoding
    content_id: str | None = None  # without its brackets
    header_start: int
    header_end: int
    body_start: int
    body_end: int
    children: tuple[Part, ...] = ()
    pasted: tuple[tuple[int, int], ...] = ()  # uuencoded files within the text: ranges that are not text

    @property
    def is_multipart(self) -> bool:
        return self.media_type.startswith("multipart/")

    def parameter(self, name: str) -> str | None:
        """Return a parameter of Content-Type by its lower-case name."""
        return next((value for key, value in self.parameters if key == name), None)

    def walk(self) -> Iterator[Part]:
        """Yield this part and all below it, in the order of the octets."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that was read. `source_only` is the limit that it broke, None for one that was read in full."""

    fields: tuple[Field, ...]
    root: Part
    source_only: str | None = None

    def first(self, key: str) -> Field | None:
        """Return the first field of a lower-case name."""
        return next((f for f in self.fields if f.name.lower() == key), None)

    def part(self, path: str) -> Part | None:
        """Return the part of a number, None when there is none."""
        return next((p for p in self.root.walk() if p.path == path), None)


def parse(content: bytes, limits: Limits = LIMITS) -> Message:
    """Read a message."""
    scan = _Scan(content, limits)
    header = read_header(content, 0, len(content), scan.newline, limits)
    scan.over = header.over
    root = scan.entity(header, 0, len(content), prefix="", depth=1)
    return Message(fields=header.fields, root=root, source_only=scan.over)


def fields_of(content: bytes, part: Part, limits: Limits = LIMITS) -> tuple[Field, ...]:
    """Return the header fields of a part, such as the message within `message/rfc822`."""
    newline = newline_of(content)
    return read_header(content, part.header_start, part.body_end, newline, limits).fields


def decoded(content: bytes, part: Part) -> bytes:
    """Return a part's octets with its transfer encoding undone."""
    octets = content[part.body_start : min(part.body_end, part.body_start + _LONGEST_DECODED)]
    return transfer.decode(octets, part.encoding)


def text(content: bytes, part: Part, longest: int = 1_000_000) -> str:
    """Return a part's text: at most `longest` characters, lines ended by LF, without NUL and lone surrogates."""
    longest_bytes = 4 * longest
    if part.pasted:
        octets = _around(content, part)[:longest_bytes]
    else:
        # An escape is three octets for one; soft line ends take a little more.
        reach = longest_bytes if part.encoding in _PLAIN_ENCODINGS else longest_bytes * 4
        octets = content[part.body_start : min(part.body_end, part.body_start + reach)]
        if part.encoding not in _PLAIN_ENCODINGS:
            octets = transfer.decode(octets, part.encoding)
    found = charset.decode(octets[:longest_bytes], part.charset)[:longest]
    if "\r" in found:
        found = found.replace("\r\n", "\n")
        if "\r" in found:
            found = found.replace("\r", "\n")
    return found


def _around(content: bytes, part: Part) -> bytes:
    pieces, at = [], part.body_start
    for start, end in part.pasted:
        pieces.append(content[at:start])
        at = end
    pieces.append(content[at : part.body_end])
    return b"".join(pieces)


class _Scan:
    """One reading of one content: what was counted so far, and the limit that was broken."""

    __slots__ = ("content", "false_boundaries", "limits", "newline", "over", "parts")

    def __init__(self, content: bytes, limits: Limits) -> None:
        self.content = content
        self.limits = limits
        self.newline = newline_of(content)
        self.parts = 0
        self.false_boundaries = 0
        self.over: str | None = None

    def entity(self, header: Header, start: int, end: int, *, prefix: str, depth: int, path: str = "",
               default: str = "text/plain") -> Part:  # fmt: skip
        """Read the part, or whole message, whose header was read and which ends at `end`.

        `path` is empty for a whole message, whose number depends on what it is.
        """
        self.parts += 1
        kind, place, encoding, content_id = _content_fields(header)
        media_type, parameters = self._parameters(kind) if kind else ("", {})
        if not _MEDIA_TYPE.match(media_type):
            media_type = {"text": "text/plain", "html": "text/html"}.get(media_type, default)
        disposition, extra = self._parameters(place) if place else (None, parameters)
        if not path:
            path = f"{prefix}TEXT" if media_type.startswith("multipart/") else f"{prefix}1"
        else:
            prefix = f"{path}."
        part = Part(
            path=path, media_type=media_type, charset=parameters.get("charset"),
            parameters=tuple(parameters.items()), disposition=disposition or None,
            filename=extra.get("filename") or parameters.get("name") or extra.get("name"),
            encoding=_encoding(encoding) if encoding else "", content_id=_without_brackets(content_id),
            header_start=start, header_end=header.end, body_start=min(header.body_start, end), body_end=end,
        )  # fmt: skip
        if part.is_multipart:
            return self._multipart(part, prefix, depth)
        if media_type in _MESSAGE_TYPES and part.encoding in _PLAIN_ENCODINGS:
            return self._enclosed(part, depth)
        if media_type == "text/plain" and part.encoding in _PLAIN_ENCODINGS:
            return self._with_pasted(part)
        return part

    def _parameters(self, raw: str) -> tuple[str, dict[str, str]]:
        value, parameters, over = parse_parameters(raw, self.limits.parameters)
        if over:
            self.over = self.over or "parameters"
        return value, parameters

    def _enclosed(self, part: Part, depth: int) -> Part:
        """Read the message within a message."""
        if self._refused(depth + 1):
            return part
        start, end = part.body_start, part.body_end
        header = read_header(self.content, start, end, self.newline, self.limits)
        self.over = self.over or header.over
        child = self.entity(header, start, end, prefix=f"{part.path}.", depth=depth + 1)
        return replace(part, children=(child,))

    def _with_pasted(self, part: Part) -> Part:
        """Find uuencoded files in plain text."""
        found = find_pasted(self.content, part.body_start, part.body_end, self.limits.parts - self.parts)
        if not found:
            return part
        self.parts += len(found)
        children = tuple(
            Part(
                path=f"{part.path}.{number}", media_type="application/octet-stream", disposition="attachment",
                filename=one_line(charset.guess(file.name)), encoding="x-uuencode", header_start=file.start,
                header_end=file.body_start, body_start=file.body_start, body_end=file.body_end,
            )
            for number, file in enumerate(found, 1)
        )  # fmt: skip
        return replace(part, children=children, pasted=tuple((file.start, file.end) for file in found))

    def _multipart(self, part: Part, prefix: str, depth: int) -> Part:
        boundary = self._boundary(part)
        if not boundary or self._refused(depth + 1):
            return part
        default = "message/rfc822" if part.media_type == "multipart/digest" else "text/plain"
        children = []
        for number, (start, end) in enumerate(self._ranges(part, boundary), 1):
            if self._refused(depth + 1):
                break
            header = read_header(self.content, start, end, self.newline, self.limits)
            self.over = self.over or header.over
            child = self.entity(header, start, end, prefix=prefix, depth=depth + 1,
                                path=f"{prefix}{number}", default=default)  # fmt: skip
            children.append(child)
        return replace(part, children=tuple(children))

    def _refused(self, depth: int) -> bool:
        if depth > self.limits.depth:
            self.over = self.over or "depth"
        elif self.parts >= self.limits.parts:
            self.over = self.over or "parts"
        else:
            return False
        return True

    def _boundary(self, part: Part) -> bytes:
        boundary = (part.parameter("boundary") or "").rstrip()
        if len(boundary) > self.limits.boundary_bytes:
            self.over = self.over or "parameters"
            return b""
        if boundary:
            return boundary.encode("utf-8", "replace")
        # Interop: a lost boundary parameter; the first delimiter that a part's header follows shows it.
        reach = min(part.body_end, part.body_start + _GUESS_BYTES)
        match = _GUESSED_BOUNDARY.search(self.content, max(part.body_start - 1, 0), reach)
        return match[1] if match else b""

    def _ranges(self, part: Part, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Yield the ranges between delimiter lines; one that is never closed ends with its parent."""
        needle = self.newline + b"--" + boundary
        at, start = max(part.body_start - 1, 0), -1
        while True:
            hit = self.content.find(needle, at, part.body_end)
            if hit < 0:
                break
            tail = _DELIMITER_END.match(self.content, hit + len(needle), part.body_end)
            if tail is None:
                self.false_boundaries += 1
                if self.false_boundaries > self.limits.false_boundaries:
                    self.over = self.over or "parts"
                    break
                at = hit + len(needle)
                continue
            if start >= 0:
                yield start, max(start, hit - (self.content[hit - 1 : hit] == b"\r"))
            if tail[1]:
                return
            start = tail.end()
            # An empty part's delimiter follows at once: its line end is the one that this delimiter has.
            at = max(start - 1, hit + 1)
        if start >= 0:
            yield start, part.body_end


def _content_fields(header: Header) -> tuple[str | None, str | None, str | None, str | None]:
    """Return the first Content-Type, -Disposition, -Transfer-Encoding and -ID, unfolded."""
    kind = place = encoding = content_id = None
    for field in header.fields:
        name = field.name
        if name[0] not in "cC" or name[:8].lower() != "content-":
            continue
        match name[8:].lower():
            case "type":
                kind = kind or field.raw
            case "disposition":
                place = place or field.raw
            case "transfer-encoding":
                encoding = encoding or field.raw
            case "id":
                content_id = content_id or field.raw
            case _:
                pass
    return kind, place, encoding, content_id


def _without_brackets(raw: str | None) -> str | None:
    return one_line(raw).strip("<> ") or None if raw else None


def _encoding(raw: str) -> str:
    """Return the transfer encoding's name, whatever else its field says."""
    name = raw.lower()
    for known in ("base64", "quoted-printable"):
        if known in name:
            return known
    name = name.partition(";")[0].partition("(")[0].strip(" \"'")
    return "" if name in _PLAIN_ENCODINGS else decode_words(name)
