"""The settings about spam and viruses: rspamd, ClamAV, block lists, greylisting. Empty is off, and is the default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from maild.config.kinds import BOOLEAN, Kind, choice, integer, seconds, setting

_ZONE = re.compile(r"(?=.{1,200}\Z)(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:\[\]/]+):([0-9]{1,5})")
_MOST_WEIGHT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """One list: its zone, what it counts, and the answers that count (first and last of each range)."""

    zone: str
    weight: int = 1
    codes: tuple[tuple[IPv4Address, IPv4Address], ...] = ()

    def counts(self, code: IPv4Address) -> bool:
        """Tell whether an answer is one of those that count; without a choice every one is."""
        return not self.codes or any(first <= code <= last for first, last in self.codes)


def _tool(value: Any) -> str:
    """Read where a program of this machine or of the network answers; empty: it is not asked."""
    if not isinstance(value, str) or any(ord(c) <= 32 for c in value):
        raise ValueError
    found = _HOST.fullmatch(value)
    if value and not value.startswith("/") and (found is None or not 0 < int(found[1]) < 65536):
        raise ValueError
    return value


def _score(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        raise ValueError
    return float(value)


def _parse_score(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _secret(value: Any) -> str:
    if not isinstance(value, str) or any(ord(c) < 32 for c in value):
        raise ValueError
    return value


def _lists(value: Any) -> tuple[BlockList, ...]:
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 - one exception for "does not fit", whatever the reason
    found = tuple(_list(item) for item in value)
    if len({each.zone for each in found}) != len(found):
        raise ValueError
    return found


def _list(value: Any) -> BlockList:
    """Read `ZONE [WEIGHT [CODES…]]`, a code being `127.0.0.2` or `127.0.0.2-11`."""
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - as above
    zone, *rest = value.split()
    weight = int(rest[0]) if rest else 1
    if not _ZONE.fullmatch(zone) or not 1 <= weight <= _MOST_WEIGHT:
        raise ValueError
    return BlockList(zone=zone.lower(), weight=weight, codes=tuple(_codes(text) for text in rest[1:]))


def _codes(text: str) -> tuple[IPv4Address, IPv4Address]:
    first, dash, last = text.partition("-")
    begin = IPv4Address(first)
    end = IPv4Address(f"{first.rpartition('.')[0]}.{last}") if dash else begin
    if begin > end or not begin.is_loopback:
        raise ValueError
    return begin, end


_TOOL = Kind(expects='"HOST:PORT", or the path of a Unix socket', read=_tool)
_SCORE = Kind(expects="a number, at least 0", read=_score, parse=_parse_score)
_PASSWORD = Kind(expects="a text", read=_secret)
_LISTS = Kind(
    expects='a list of block lists such as ["zen.spamhaus.org 2 127.0.0.2-11", "bl.example"], each once',
    read=_lists,
    parse=lambda text: [part.strip() for part in text.split(",") if part.strip()],
)
_IF_UNAVAILABLE = choice("accept", "defer")
_WHEN_AWAY = '"accept": without its word the mail is accepted; "defer": the sender is asked to come again (451).'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rspamd:
    """The spam filter rspamd, asked before a mail is accepted. [How to install it](spam.md)."""

    address: str = setting(
        "", _TOOL, 'Where its worker answers over HTTP, such as "127.0.0.1:11333". Empty: nobody is asked about spam.'
    )
    action: str = setting(
        "refuse",
        choice("refuse", "file"),
        'What becomes of spam. "refuse": the sender is told so (554); "file": it is accepted and lies in spam.',
    )
    refuse_score: float = setting(
        0.0,
        _SCORE,
        "From this score on a mail is spam. 0: where rspamd's own action is `reject`.",
    )
    file_score: float = setting(
        0.0,
        _SCORE,
        "From this score on a mail that is not refused lies in spam. 0: where rspamd's own action is `add header` or "
        "`rewrite subject`.",
    )
    timeout_s: float = setting(9.0, seconds(0.1), "How long a mail waits for its answer.")
    if_unavailable: str = setting("accept", _IF_UNAVAILABLE, _WHEN_AWAY)
    controller: str = setting(
        "",
        _TOOL,
        'Where its controller answers, such as "127.0.0.1:11334": it learns what staff mark as spam, and what they '
        "take out of it. Empty: it is not taught.",
    )
    password: str = setting(
        "", _PASSWORD, "The controller's password (`enable_password`, else `password`).", secret=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamav:
    """The virus scanner ClamAV, asked before a mail is accepted. [How to install it](spam.md)."""

    address: str = setting(
        "",
        _TOOL,
        'Where clamd answers: its socket, "/run/clamav/clamd.ctl", or "HOST:3310". Empty: nobody is asked.',
    )
    action: str = setting(
        "refuse",
        choice("refuse", "hold"),
        'What becomes of a mail with a virus. "refuse": the sender is told so (554); "hold": it is accepted, lies in '
        "spam with the tag `virus`, and its attachments are not handed out.",
    )
    max_bytes: int = setting(
        26_214_400,
        integer(1_000),
        "Larger mails are not looked at, and say so; the value of `StreamMaxLength` in clamd.conf, which must not be "
        "smaller.",
    )
    timeout_s: float = setting(9.0, seconds(0.1), "How long a mail waits for its answer.")
    if_unavailable: str = setting("accept", _IF_UNAVAILABLE, _WHEN_AWAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocklists:
    """Block lists in the DNS: machines known for spam. [What their operators learn](spam.md#block-lists)."""

    lists: tuple[BlockList, ...] = setting(
        (),
        _LISTS,
        'Each "ZONE", "ZONE WEIGHT" or "ZONE WEIGHT CODE…": what it counts (1 without), and which answers count (all '
        "without). Empty: nobody is asked.",
    )
    threshold: int = setting(1, integer(1), "A machine counts as listed when its lists weigh this much together.")
    action: str = setting(
        "refuse",
        choice("refuse", "file", "note"),
        'What becomes of mail from a listed machine. "refuse": the sender is told which list (554); "file": it lies '
        'in spam; "note": it is only kept with the mail.',
    )
    max_questions_per_day: int = setting(
        100_000,
        integer(1),
        "Questions to one list in a day; beyond, it is not asked. Free lists want no more.",
    )
    timeout_s: float = setting(5.0, seconds(0.1), "How long a mail waits for their answers.")
    if_unavailable: str = setting(
        "accept", _IF_UNAVAILABLE, _WHEN_AWAY + " Only where a missing answer could make the difference."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Greylisting:
    """Strangers are asked to come again; programs that send spam seldom do."""

    enabled: bool = setting(
        False,
        BOOLEAN,
        "Ask machines and senders that never were here to come again (451). Never asked: who has passed in the last 35 "
        "days, whom somebody here has written to, this machine and private networks, `trusted_relays`.",
    )
    delay_s: float = setting(300.0, seconds(1), "Who comes again sooner is asked once more.")
    window_s: float = setting(172_800.0, seconds(60), "Who comes again later than this is a stranger anew.")
