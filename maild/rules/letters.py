"""What every question to a worker process about mail shares: its rules, kept between calls, and the letter asked about.

Nothing here knows the archive: workers that are only asked about rules are smaller without it.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from maild.errors import AddressError
from maild.mail.address import Address, parse_path
from maild.mail.authentication import UNREAD, Verdicts, verdicts_of
from maild.mail.facts import Facts
from maild.mail.reading import facts_of
from maild.rules.model import Letter


@dataclass(frozen=True, slots=True)
class RulesWanted:
    """The answer of a worker that does not have these rules yet: to be asked again, with them."""


_kept: dict[str, Any] = {}


def kept_rules(key: str, pickled: bytes | None) -> Any | None:
    """Return the rules this process keeps under `key`, learned from `pickled` if it has to; None: it needs them."""
    if key not in _kept:
        if pickled is None:
            return None
        _kept.clear()
        _kept[key] = pickle.loads(pickled)  # noqa: S301 - written by our own parent
    return _kept[key]


def address_of(text: str | None) -> Address | None:
    """Return a path of the envelope as it was stored; None for the null reverse-path, and what is no address."""
    if not text:
        return None
    try:
        return parse_path(f"<{text}>")
    except AddressError:
        return None


def letter_of(
    octets: bytes | None,
    *,
    received_ms: int,
    reverse_path: str | None,
    size: int,
    source_only: str | None,
    believed: tuple[str, ...] = (),
    reply: bool | None = None,
) -> Letter:
    """Return a message as the rules see it; without octets, by its envelope alone. Never raises for mail.

    `believed` are the authserv-ids to believe in this message; none, unless a trusted relay handed it over. `reply` is
    what the archive says; what refers to nothing is no reply, and nobody need be asked.
    """
    unread = octets is None or source_only is not None
    facts = Facts(source_only=source_only or "crash", size_bytes=size) if unread else facts_of(octets or b"")
    if reply is None and not unread and not facts.references:
        reply = False
    return Letter(
        facts=facts,
        reverse_path=address_of(reverse_path),
        received_at=datetime.fromtimestamp(received_ms / 1000, UTC),
        verdicts=_verdicts(facts, believed, unread=unread, null_path=not reverse_path),
        reply=reply,
    )


def _verdicts(facts: Facts, believed: tuple[str, ...], *, unread: bool, null_path: bool) -> Verdicts:
    if not believed:
        return Verdicts()
    return UNREAD if unread else verdicts_of(facts.fields, believed, null_path=null_path)
