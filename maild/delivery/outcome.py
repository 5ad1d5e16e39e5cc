"""What became of one recipient's way out: values, and the reading of replies as such.

Only what a next hop has refused for good is failed. Whatever else went wrong, known or not, is tried again.

Source: RFC 5321 §4.2.1, §4.5.4.1; RFC 3463.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

REPLY_LIMIT = 2_000  # characters kept of what another server said


class Result(StrEnum):
    """How a try ended. UNKNOWN: the octets and their end were sent, and no answer came back; it may have arrived."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    HELD = "held"  # it cannot be sent as it is; a person has to look


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one recipient. `reply` is what the next hop said, or why there was none, printable, one line.

    `host`: name and address, as far as it came. `tls`: version, and how it was verified; "" for none. `stage`: in which
    step of the session it was decided. `site`: it concerns the next hop as a whole, whatever is sent there. `reports`:
    the next hop takes over what was asked for about delivery reports.
    """

    result: Result
    reply: str
    host: str = ""
    tls: str = ""
    stage: str = ""
    site: bool = False
    reports: bool = False


class SmtpReply(NamedTuple):
    """What a server answered: the code, and its lines without code."""

    code: int
    lines: tuple[str, ...]

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        """Whether it is refused for good. Interop: codes that no RFC knows are no reason to give mail up."""
        return 500 <= self.code < 600

    @property
    def text(self) -> str:
        return shown(f"{self.code} {' '.join(self.lines)}".rstrip())


def shown(text: str) -> str:
    """Return what another server said as one printable line of bounded length."""
    if len(text) <= REPLY_LIMIT and text.isprintable():
        return " ".join(text.split())
    line = "".join(c if c.isprintable() else " " for c in text[: REPLY_LIMIT * 2])
    return " ".join(line.split())[:REPLY_LIMIT]


def answered(reply: SmtpReply, stage: str, *, host: str = "", tls: str = "") -> Outcome:
    """Return what a refusing reply means for the recipients that it concerns; 421 is a word about the whole host."""
    result = Result.FAILED if reply.permanent else Result.DEFERRED
    return Outcome(result=result, reply=reply.text, host=host, tls=tls, stage=stage, site=reply.code == 421)
