"""The octets as they go out by SMTP and LMTP: CRLF only, no NUL, dots doubled, nothing but the end ends them.

Security: what another server reads as the end of a message must be ours alone. A bare LF, a bare CR and a NUL are
octets like others in the archive; out there they make servers disagree about where a line ends, which is all that
smuggling needs. So on the way out each becomes a line end, or goes. Mail that has none of them leaves octet for octet.

Source: RFC 5321 §2.3.8, §4.5.2, §4.5.3.1.6; threats S2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

LINE_OCTETS = 998  # without CRLF
END = b".\r\n"
_LINE_END = re.compile(rb"\r++\n?|\n")
_MOST_HELD = 1_000


class Lines:
    """Rewrites line ends, however the octets are cut into pieces."""

    __slots__ = ("_held", "_open")

    def __init__(self) -> None:
        self._held = b""  # CRs of which nobody knows yet whether an LF follows
        self._open = False

    def feed(self, octets: bytes) -> bytes:
        """Return what is certain of the octets so far."""
        octets = self._held + octets.replace(b"\0", b"")
        kept = octets.rstrip(b"\r") if octets.endswith(b"\r") else octets
        if len(octets) - len(kept) > _MOST_HELD:
            kept = octets[:-1]
        self._held = octets[len(kept) :]
        return self._rewritten(kept)

    def close(self) -> bytes:
        """Return what is left, so that the last line ends as all do."""
        rest = self._rewritten(self._held)
        self._held = b""
        return rest + b"\r\n" if self._open else rest

    def _rewritten(self, octets: bytes) -> bytes:
        # Counted, not searched for: nearly all mail has nothing but CRLF, and counting is ten times as quick.
        if not octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r"):
            octets = _LINE_END.sub(_one_end, octets)
        if octets:
            self._open = not octets.endswith(b"\n")
        return octets


def _one_end(match: re.Match[bytes]) -> bytes:
    """Make one end of CR…CR LF, and as many as there are CRs where no LF follows: as programs show them."""
    found = match[0]
    return b"\r\n" if found.endswith(b"\n") else b"\r\n" * len(found)


class Dots:
    """Doubles the dot at the beginning of each line; takes the octets of `Lines` in any pieces."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, octets: bytes) -> bytes:
        """Return the octets with their dots doubled."""
        seen = self._tail + octets
        self._tail = seen[-2:]
        return seen.replace(b"\r\n.", b"\r\n..")[len(seen) - len(octets) :] if b"\r\n." in seen else octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a message decides how it may be sent. `size`: octets with their line ends, before dots are doubled."""

    size: int
    longest: int
    eight_bit: bool


def measure(pieces: Iterable[bytes]) -> Shape:
    """Return the shape of the octets that `Lines` made."""
    size, longest, line = 0, 0, 0
    eight_bit = False
    for piece in pieces:
        size += len(piece)
        lengths = [*map(len, piece.split(b"\n"))]
        lengths[0] += line
        line = lengths.pop()
        longest = max(longest, *lengths, 0)
        eight_bit = eight_bit or not piece.isascii()
    # Each line was counted with its CR.
    longest = max(longest - 1, line)
    return Shape(size=size, longest=longest, eight_bit=eight_bit)
