"""Files that were pasted into plain text by uuencode: found and shown as attachments.

Source: IEEE Std 1003.1, `uuencode`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGIN = re.compile(rb"begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n([\x20-\x60])([\x20-\x60]{1,90})[ \t]*\r?\n")
_END = re.compile(rb"(?:[` ]?[ \t]*\r?\n)?end[ \t]*(?:\r?\n|\Z)")


@dataclass(frozen=True, slots=True)
class Pasted:
    """One file: the whole block and the encoded lines within it, as octets of the content."""

    name: bytes
    start: int
    end: int
    body_start: int
    body_end: int


def find_pasted(content: bytes, start: int, end: int, limit: int) -> list[Pasted]:
    """Find the uuencoded files in content[start:end], at most `limit`."""
    found: list[Pasted] = []
    at = start - 1 if start and content[start - 1 : start] == b"\n" else start
    while len(found) < limit:
        at = content.find(b"\nbegin ", at, end)
        if at < 0:
            break
        head = _BEGIN.match(content, at + 1, end)
        if head is None or abs(len(head[3]) - ((head[2][0] - 32 & 63) + 2) // 3 * 4) > 2:
            at += 1
            continue
        close = content.find(b"\nend", head.end() - 1, end)
        tail = _END.match(content, close + 1, end) if close >= 0 else None
        last = tail.end() if tail else end
        found.append(Pasted(head[1], at + 1, last, head.start(2), close + 1 if tail else end))
        at = last - 1
    return found
