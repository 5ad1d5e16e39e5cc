"""What all who are asked about a mail have in common: the mail, their settings, and the opinion they give."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from enum import IntEnum
from ipaddress import IPv4Address
from typing import NamedTuple, Protocol

from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import UNAVAILABLE, Finding

_SHOWN = frozenset(string.ascii_letters + string.digits + "._-+:/@ ")
_NAME = 60


class Octets(Protocol):
    """The content of a mail: how much it is, and its octets in order, as often as they are asked for."""

    @property
    def size(self) -> int: ...
    def pieces(self) -> Iterator[bytes]: ...


class Wish(IntEnum):
    """What somebody who was asked wants to become of the mail; the greatest wish is fulfilled."""

    ACCEPT = 0
    FILE = 1  # in spam
    HOLD = 2  # in spam, as a virus
    DEFER = 3
    REFUSE = 4


class Opinion(NamedTuple):
    """What was found, what is wished, and what the peer is told of it (with DEFER and REFUSE)."""

    findings: tuple[Finding, ...]
    wish: Wish = Wish.ACCEPT
    reply: Reply | None = None


class UnavailableError(Exception):
    """Nobody said anything that can be used; `reason` is a word or two for the log and the page of details."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Asked(Protocol):
    """Somebody who is asked about each mail. Whatever goes wrong is an opinion, too, and never an exception."""

    async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion: ...


class RspamdSettings(Protocol):
    """`[rspamd]`."""

    @property
    def address(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def refuse_score(self) -> float: ...
    @property
    def file_score(self) -> float: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def if_unavailable(self) -> str: ...
    @property
    def controller(self) -> str: ...
    @property
    def password(self) -> str: ...


class ClamavSettings(Protocol):
    """`[clamav]`."""

    @property
    def address(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def if_unavailable(self) -> str: ...


class BlockList(Protocol):
    """One block list."""

    @property
    def zone(self) -> str: ...
    @property
    def weight(self) -> int: ...
    def counts(self, code: IPv4Address) -> bool: ...


class BlocklistsSettings(Protocol):
    """`[blocklists]`."""

    @property
    def lists(self) -> Sequence[BlockList]: ...
    @property
    def threshold(self) -> int: ...
    @property
    def action(self) -> str: ...
    @property
    def max_questions_per_day(self) -> int: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def if_unavailable(self) -> str: ...


class Settings(Protocol):
    """The sections of the settings that are about screening."""

    @property
    def rspamd(self) -> RspamdSettings: ...
    @property
    def clamav(self) -> ClamavSettings: ...
    @property
    def blocklists(self) -> BlocklistsSettings: ...


def unavailable(by: str, reason: str, if_unavailable: str) -> Opinion:
    """Return the opinion of who could not be asked: none, or to come again."""
    finding = Finding(by, UNAVAILABLE, names=(shown(reason),))
    if if_unavailable != "defer":
        return Opinion((finding,))
    return Opinion((finding,), Wish.DEFER, COME_AGAIN)


# RFC 5321 §4.2.1: 4xx is for what may be well the next time; RFC 3463: 4.3.0 is a matter of this mail system.
COME_AGAIN = Reply(code=451, enhanced="4.3.0", text="This message cannot be examined at the moment, try again later")


def shown(name: str) -> str:
    """Return a name that somebody else gave as it may stand in a reply, a log and a page: short, ASCII, one line."""
    return "".join(c if c in _SHOWN else "?" for c in name[:_NAME]).strip()
