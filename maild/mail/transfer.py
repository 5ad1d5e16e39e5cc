"""Content-transfer-encodings, read leniently: base64, quoted-printable and uuencode.

Promises: never raises, for any octets; time and memory are linear in them.

Source: RFC 2045 §6.7, §6.8; uuencode: IEEE Std 1003.1, `uuencode`.
"""

from __future__ import annotations

import binascii
import re

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_ALPHABET)))
_NOT_BASE64_OR_PAD = bytes(sorted(set(_NOT_BASE64) - {0x3D}))
_MOST_SEGMENTS = 1000
_WINDOW = 64 * 1024
# Of lines of one length, the ends alone are looked at. RFC 2045 §6.8 has 76 octets, RFC 5322 §2.1.1 has 998.
_SHORTEST_LINE, _LONGEST_LINE = 16, 1000
_SPACED_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")


def base64(octets: bytes) -> bytes:
    """Decode base64, passing over what does not belong to it.

    Interop: lists append footers behind the padding, and some senders pad every line; both are read on.
    """
    pad = octets.find(b"=")
    if pad < 0 or not octets[pad:].strip(b"= \t\r\n"):
        try:
            return binascii.a2b_base64(octets)
        except binascii.Error:
            pass
    segments = octets.translate(None, _NOT_BASE64_OR_PAD).split(b"=", _MOST_SEGMENTS)
    segments[-1] = segments[-1].translate(None, b"=")
    return b"".join(_segment(s) for s in segments if s)


def _segment(digits: bytes) -> bytes:
    """Decode base64 digits alone, of any number; a last lone digit says nothing and is dropped."""
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def quoted_printable(octets: bytes) -> bytes:
    """Decode quoted-printable; what is no escape stands for itself."""
    if b"\n" not in octets and b"=\r" in octets:
        octets = octets.replace(b"\r", b"\n")
    return binascii.a2b_qp(_SPACED_BREAK.sub(b"=", octets))


def q_word(octets: bytes) -> bytes:
    """Decode the Q encoding of RFC 2047 §4.2."""
    return binascii.a2b_qp(octets, header=True)


def uuencoded(octets: bytes) -> bytes:
    """Decode uuencoded lines, with or without their `begin` and `end`."""
    decoded = []
    for line in octets.splitlines():
        if line[:6] == b"begin " or not line:
            continue
        if line.rstrip() in (b"`", b"end"):
            break
        decoded.append(_uu_line(line))
    return b"".join(decoded)


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # Interop: some encoders leave characters behind the count they give.
        size = ((line[0] - 32 & 63) * 4 + 5) // 3
        try:
            return binascii.a2b_uu(line[: size + 1])
        except binascii.Error:
            return b""


def decode(octets: bytes, encoding: str) -> bytes:
    """Undo a transfer encoding (lower-case); an unknown one is left as it is."""
    if encoding == "base64":
        return base64(octets)
    if encoding == "quoted-printable":
        return quoted_printable(octets)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return uuencoded(octets)
    return octets


def _even_lines(content: bytes, start: int, end: int) -> tuple[int, int]:
    """Return how many lines at the start of content[start:end] are as long as the first, and their length.

    Looked at is the first line, and where the others would end: CR LF.
    """
    first, line_end, _ = content[start : min(start + _LONGEST_LINE, end)].partition(b"\r\n")
    if len(first) < _SHORTEST_LINE or not line_end or b"\r" in first or b"\n" in first:
        return 0, 0
    width = len(first) + 2
    lines = (end - start) // width
    reach = start + lines * width
    returns, feeds = content[start + width - 2 : reach : width], content[start + width - 1 : reach : width]
    return (0, 0) if returns.strip(b"\r") or feeds.strip(b"\n") else (lines, width)


def _without_line_ends(content: bytes, start: int, end: int) -> int:
    """Count the octets of content[start:end] that are neither CR nor LF.

    One that stands within a line, where all lines end alike, is counted: no encoder writes it.
    """
    lines, width = _even_lines(content, start, end)
    start += lines * width
    # Measured: to leave them out takes less than half the time of counting the one, and then the other.
    windows = range(start, end, _WINDOW)
    rest = sum(len(content[at : min(at + _WINDOW, end)].translate(None, b"\r\n")) for at in windows)
    return lines * (width - 2) + rest


def decoded_size(content: bytes, start: int, end: int, encoding: str) -> int:
    """Return the decoded size of content[start:end]: exact for what encoders of base64 write, else an estimate."""
    size = end - start
    if encoding == "base64":
        tail = content[max(start, end - 80) : end]
        return (_without_line_ends(content, start, end) - tail.count(b"=")) * 3 // 4
    if encoding == "quoted-printable":
        return max(size - 2 * content.count(b"=", start, end), 0)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return max((size - 2 * content.count(b"\n", start, end)) * 3 // 4, 0)
    return size
