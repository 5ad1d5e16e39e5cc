"""Values of reports that strangers send about our domains: each is checked, none is believed.

Promises: every function is total and linear; what is returned is short, printable and within its range.
"""

from __future__ import annotations

import ipaddress
import re

from maild.mail.words import one_line

LONGEST_TEXT = 200
_COUNT = re.compile(r"[0-9]{1,16}")
_SECONDS = re.compile(r"([0-9]{1,12})(?:\.[0-9]{1,9})?")
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_MOST = 2**53
_FIRST_MS = 1_325_376_000_000  # 2012: the first reports
_LAST_MS = 4_102_444_800_000  # 2100
_LONGEST_MS = 400 * 86_400_000
_DIRECTIONS = str.maketrans("", "", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class ReportError(ValueError):
    """Not a report that can be used. `reason` is a word for the log: `xml`, `json`, `depth`, `records`, `dates`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def words(text: object) -> str:
    """Return what a stranger wrote as one short line; "" for what is no text."""
    if not isinstance(text, str):
        return ""
    # Security: directions would show another order of characters than is there.
    line = one_line(text[: 4 * LONGEST_TEXT]).translate(_DIRECTIONS)
    return "".join(c for c in line if c.isprintable()).strip()[:LONGEST_TEXT]


def count(text: object) -> int | None:
    """Return a number of messages or sessions, from 0 to below 2**53; None for anything else."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text if 0 <= text < _MOST else None
    if not isinstance(text, str) or not (match := _COUNT.fullmatch(text.strip()[:32])):
        return None
    number = int(match[0])
    return number if number < _MOST else None


def domain(text: object) -> str:
    """Return a domain in A-labels and lower case, "" for what is none."""
    name = text.strip()[:512].rstrip(".").lower() if isinstance(text, str) else ""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return name if _DOMAIN.fullmatch(name) else ""


def address(text: object) -> str:
    """Return an IP address in its canonical form, "" for what is none."""
    try:
        found = ipaddress.ip_address(text.strip()[:64]) if isinstance(text, str) else None
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return ""
        found = found.ipv4_mapped or found
    return "" if found is None else str(found)


def word(text: object, known: frozenset[str], other: str) -> str:
    """Return one of the words known, else `other`."""
    said = text.strip()[:60].lower() if isinstance(text, str) else ""
    return said if said in known else other


def token(text: object) -> str:
    """Return a word of ASCII letters, digits and hyphens in lower case, "" for what is none."""
    said = text.strip()[:100].lower() if isinstance(text, str) else ""
    return said if _WORD.fullmatch(said) else ""


def epoch_ms(text: object) -> int | None:
    """Return a time written as seconds since 1970, in milliseconds; None for what is none."""
    match = _SECONDS.fullmatch(text.strip()[:32]) if isinstance(text, str) else None
    return int(match[1]) * 1000 if match else None


def period(begin_ms: int | None, end_ms: int | None) -> tuple[int, int]:
    """Return the time that a report is about.

    Raises:
        ReportError: it is none, or no plausible one.
    """
    if begin_ms is None or end_ms is None:
        raise ReportError("dates")
    if not _FIRST_MS <= begin_ms <= end_ms <= _LAST_MS or end_ms - begin_ms > _LONGEST_MS:
        raise ReportError("dates")
    return begin_ms, end_ms
