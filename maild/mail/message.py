"""Read the structure of a message: header fields and part tree as ranges of its octets.

Promises: `parse` never raises, for any octets; it copies no body; its time is linear in the octets (times the
depth, which is limited). Beyond a limit `source_only` names it, and what was read so far is kept.

Source: RFC 5322, RFC 2045, RFC 2046 §5.1; part numbers: RFC 9051 §6.4.5.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from maild.mail import charset, transfer
from maild.mail.header import LIMITS, Field, Header, Limits, newline_of, read_header
from maild.mail.parameters import parse_parameters
from maild.mail.uuencode import find_pasted
from maild.mail.words import decode_words, one_line

_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
_USUAL_ENCODINGS = dict.fromkeys(_PLAIN_ENCODINGS, "") | {name: name for name in ("base64", "quoted-printable")}
_SHORT_TYPES = {"text": "text/plain", "html": "text/html"}
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+(?:\r*+\n|\r|\Z)")
_MEDIA_TYPE = re.compile(r"[!-.0-~]+/[!-.0-~]+\Z")
_GUESSED_BOUNDARY = re.compile(rb"[\r\n]--([^\r\n]{1,70}?)[ \t]*+\r?\n(?=Content-)", re.IGNORECASE)
_GUESS_BYTES = 65_536
_USUAL_HEADER_BYTES = 256  # parts of all mail have the same few short headers: they are kept as they were read once
_LONGEST_DECODED = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a message: what its header says, and where it lies in the octets.

    `path` is the number that IMAP gives it; a multipart that is a whole message has none and is `TEXT`. The
    range of the body is not decoded. The only child of `message/rfc822` is the message within.
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
        return next((f for f in self.fields if f.key == key), None)

    def part(self, path: str) -> Part | None:
        """Return the part of a number, None when there is none."""
        return next((p for p in self.root.walk() if p.path == path), None)


def parse(content: bytes, limits: Limits = LIMITS) -> Message:
    """Read a message."""
    scan = _Scan(content, limits)
    header = read_header(content, 0, len(content), scan.newline, limits)
    scan.over = header.over
    root = scan.entity(header, 0, prefix="", depth=1)
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
    # Measured: a look for CR costs nothing beside a replacement, and text of CR alone is rare.
    if "\r" in found:
        found = found.replace("\r\n", "\n")
    return found.replace("\r", "\n") if "\r" in found else found


def _around(content: bytes, part: Part) -> bytes:
    pieces, at = [], part.body_start
    for start, end in part.pasted:
        pieces.append(content[at:start])
        at = end
    pieces.append(content[at : part.body_end])
    return b"".join(pieces)


@dataclass(slots=True)
class _Boundary:
    """A boundary of a multipart that is being read, and where its next delimiter line is."""

    needle: bytes
    start: int = -1  # of the line end before it; -1: not looked for yet
    end: int = -1  # of its own line end
    closing: bool = False
    reach: int = 0  # there is none before this octet, if `start` is -1


class _Scan:
    """One reading of one content: what was counted so far, and the limit that was broken.

    The multiparts being read are a stack. A delimiter line belongs to the innermost multipart whose boundary it
    has; one of an outer multipart ends all within (RFC 2046 §5.1.2).
    """

    __slots__ = ("content", "false_boundaries", "limits", "newline", "over", "parts", "stack", "stopped")

    def __init__(self, content: bytes, limits: Limits) -> None:
        self.content = content
        self.limits = limits
        self.newline = newline_of(content)
        self.parts = 0
        self.false_boundaries = 0
        self.over: str | None = None
        self.stack: list[_Boundary] = []
        self.stopped = False

    def break_limit(self, name: str | None) -> None:
        """Note that a limit was broken; the first one stays."""
        self.over = self.over or name

    def entity(self, header: Header, start: int, *, prefix: str, depth: int, path: str = "",
               default: str = "text/plain") -> Part:  # fmt: skip
        """Read the part, or whole message, whose header was read.

        `path` is empty for a whole message, whose number depends on what it is.
        """
        self.parts += 1
        describe = _describe_again if header.end - start <= _USUAL_HEADER_BYTES else _describe
        said = describe(header.fields, self.limits.parameters)
        if said.over:
            self.break_limit("parameters")
        media_type, encoding = said.media_type or default, said.encoding
        is_multipart = media_type.startswith("multipart/")
        if not path:
            path = f"{prefix}TEXT" if is_multipart else f"{prefix}1"
        else:
            prefix = f"{path}."
        end = body_end = self._end_of(header.body_start)
        body_start = min(header.body_start, end)
        children: tuple[Part, ...] = ()
        pasted: tuple[tuple[int, int], ...] = ()
        if is_multipart:
            within = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
            boundary = self._boundary(said.boundary, body_start, end)
            children, body_end = self._multipart(boundary, body_start, end, prefix=prefix, depth=depth, default=within)
        elif encoding in _PLAIN_ENCODINGS and media_type in _MESSAGE_TYPES:
            children, body_end = self._enclosed(body_start, end, path=path, depth=depth)
        elif encoding in _PLAIN_ENCODINGS and media_type == "text/plain":
            children, pasted = self._pasted(body_start, end, path=path)
        return Part(
            path=path, media_type=media_type, charset=said.charset, parameters=said.parameters,
            disposition=said.disposition, filename=said.filename, encoding=encoding, content_id=said.content_id,
            header_start=start, header_end=min(header.end, end), body_start=body_start, body_end=body_end,
            children=children, pasted=pasted,
        )  # fmt: skip

    def _enclosed(self, start: int, end: int, *, path: str, depth: int) -> tuple[tuple[Part, ...], int]:
        """Read the message within a message; return it, and where it ends."""
        if self._refused(depth + 1):
            return (), end
        header = read_header(self.content, start, end, self.newline, self.limits)
        if not header.fields:
            return (), end  # no message: shown as the text that it is
        self.break_limit(header.over)
        child = self.entity(header, start, prefix=f"{path}.", depth=depth + 1)
        return (child,), child.body_end

    def _pasted(self, start: int, end: int, *, path: str) -> tuple[tuple[Part, ...], tuple[tuple[int, int], ...]]:
        """Find uuencoded files in plain text; return them, and the ranges that they take."""
        found = find_pasted(self.content, start, end, self.limits.parts - self.parts)
        if not found:
            return (), ()
        self.parts += len(found)
        children = tuple([
            Part(
                path=f"{path}.{number}", media_type="application/octet-stream", disposition="attachment",
                filename=one_line(charset.guess(file.name)), encoding="x-uuencode", header_start=file.start,
                header_end=file.body_start, body_start=file.body_start, body_end=file.body_end,
            )
            for number, file in enumerate(found, 1)
        ])  # fmt: skip
        return children, tuple([(file.start, file.end) for file in found])

    def _multipart(self, boundary: bytes, start: int, end: int, *, prefix: str, depth: int,
                   default: str) -> tuple[tuple[Part, ...], int]:  # fmt: skip
        """Read the parts of a multipart; return them, and where it ends."""
        if not boundary or self._refused(depth + 1):
            return (), end
        own = _Boundary(self.newline + b"--" + boundary)
        self.stack.append(own)
        children: list[Part] = []
        at = start
        while (hit := self._next(at)) is own and not own.closing and not self._refused(depth + 1):
            child_start = own.end
            if child_start == len(self.content) and children:
                break  # a delimiter that nothing follows
            # The same boundary may be looked for again: what follows decides whose the next delimiter is.
            reach = self._end_of(child_start)
            header = read_header(self.content, child_start, reach, self.newline, self.limits)
            self.break_limit(header.over)
            child = self.entity(header, child_start, prefix=prefix, depth=depth + 1,
                                path=f"{prefix}{len(children) + 1}", default=default)  # fmt: skip
            children.append(child)
            at = child.body_end
        self.stack.pop()
        if hit is own and own.closing:
            at = own.end
        return tuple(children), max(self._end_of(at), start)

    def _refused(self, depth: int) -> bool:
        if depth > self.limits.depth:
            self.break_limit("depth")
        elif self.parts >= self.limits.parts:
            self.break_limit("parts")
            self.stopped = True
        else:
            return False
        return True

    def _boundary(self, said: str, start: int, end: int) -> bytes:
        """Return the boundary that a multipart names, or else the one that its body shows."""
        boundary = said.rstrip()
        if len(boundary) > self.limits.boundary_bytes:
            self.break_limit("parameters")
            return b""
        if boundary:
            return boundary.encode("utf-8", "replace")
        # Interop: a lost boundary parameter; the first delimiter that a part's header follows shows it.
        match = _GUESSED_BOUNDARY.search(self.content, max(start - 1, 0), min(end, start + _GUESS_BYTES))
        return match[1] if match else b""

    def _end_of(self, at: int) -> int:
        """Return where a body that reaches to `at` at least ends: before the next delimiter of any multipart."""
        hit = self._next(at)
        if hit is None:
            return len(self.content)
        return max(at, hit.start - (self.content[hit.start - 1 : hit.start] == b"\r"))

    def _next(self, at: int) -> _Boundary | None:
        """Return the boundary whose delimiter line comes next, None when there is none.

        A line end just before `at` may be the delimiter's. What is known of a boundary is not looked for again;
        an inner boundary is looked for only up to the next delimiter of an outer one. Time over a whole message
        is thus the octets times the depth.
        """
        at = max(at - 1, 0)
        best: _Boundary | None = None
        if self.stopped:
            return None
        for boundary in self.stack:
            limit = len(self.content) if best is None else best.start
            if boundary.start < at and boundary.reach <= limit:
                self._look(boundary, max(at, boundary.reach), limit)
            # Innermost last: of two that share a delimiter line, the inner one has it.
            if boundary.start >= at and (best is None or boundary.start <= best.start):
                best = boundary
        return best

    def _look(self, boundary: _Boundary, at: int, limit: int) -> None:
        """Find the next delimiter line of a boundary that begins at `limit` at the latest."""
        needle, content = boundary.needle, self.content
        boundary.start = -1
        while (hit := content.find(needle, at, limit + len(needle))) >= 0:
            tail = _DELIMITER_END.match(content, hit + len(needle))
            if tail is not None:
                boundary.start, boundary.end, boundary.closing = hit, tail.end(), bool(tail[1])
                return
            self.false_boundaries += 1
            if self.false_boundaries > self.limits.false_boundaries:
                self.break_limit("parts")
                self.stopped = True
                return
            at = hit + len(needle)
        boundary.reach = limit + 1


class _Description(NamedTuple):
    """What a header says of its part; `media_type` is None where it says nothing that is one."""

    media_type: str | None
    parameters: tuple[tuple[str, str], ...]
    charset: str | None
    boundary: str
    disposition: str | None
    filename: str | None
    encoding: str
    content_id: str | None
    over: bool  # there were too many parameters


def _describe(fields: tuple[Field, ...], most_parameters: int) -> _Description:
    """Read Content-Type, -Disposition, -Transfer-Encoding and -ID; of several the last."""
    said = {f.key: raw for f in fields if f.key.startswith("content-") and (raw := f.raw)}
    media_type, parameters, over = parse_parameters(said.get("content-type", ""), most_parameters)
    disposition, extra, extra_over = parse_parameters(said.get("content-disposition", ""), most_parameters)
    if "content-disposition" not in said:
        extra = parameters
    return _Description(
        media_type=media_type if _MEDIA_TYPE.match(media_type) else _SHORT_TYPES.get(media_type),
        parameters=tuple(parameters.items()),
        charset=parameters.get("charset"),
        boundary=parameters.get("boundary", ""),
        disposition=disposition or None,
        filename=extra.get("filename") or parameters.get("name") or extra.get("name"),
        encoding=_encoding(said.get("content-transfer-encoding", "")),
        content_id=_without_brackets(said.get("content-id")),
        over=over or extra_over,
    )


_describe_again = lru_cache(maxsize=512)(_describe)


def _without_brackets(raw: str | None) -> str | None:
    return one_line(raw).strip("<> ") or None if raw else None


def _encoding(raw: str) -> str:
    """Return the transfer encoding's name, whatever else its field says."""
    name = raw.lower()
    if name in _USUAL_ENCODINGS:
        return _USUAL_ENCODINGS[name]
    for known in ("base64", "quoted-printable"):
        if known in name:
            return known
    name = name.partition(";")[0].partition("(")[0].strip(" \"'")
    return "" if name in _PLAIN_ENCODINGS else decode_words(name)
