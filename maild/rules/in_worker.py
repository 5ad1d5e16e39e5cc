"""What runs in every worker process that asks rules about mail: rules kept between calls, the letter made of octets.

Nothing here knows the archive: workers that are only asked about rules are smaller without it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from maild.mail.address import Address, as_path
from maild.mail.authentication import UNREAD, Verdicts, verdicts_of
from maild.mail.facts import Facts
from maild.mail.reading import facts_for_rules, facts_of, head_facts_of
from maild.rules.model import Letter


class Circumstances(Protocol):
    """What is known of a message beside its octets: part of every question about one.

    `verdicts` are what was found out about the sender, None where nobody has looked; then those count that a trusted
    relay has written, under the authserv-ids in `believed`: none, unless it handed the message over. `reply` is what
    the archive says, None where nobody has looked. `source_only` is set for one that must not be read.
    """

    @property
    def received_ms(self) -> int: ...
    @property
    def reverse_path(self) -> str | None: ...
    @property
    def size(self) -> int: ...
    @property
    def source_only(self) -> str | None: ...
    @property
    def verdicts(self) -> Verdicts | None: ...
    @property
    def believed(self) -> tuple[str, ...]: ...
    @property
    def reply(self) -> bool | None: ...


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


def addresses_of(texts: Iterable[str]) -> list[Address]:
    """Return addresses of the envelope as they were stored; what is none is left out."""
    return [address for text in texts if (address := as_path(text)) is not None]


def letter_of(octets: bytes | None, about: Circumstances, *, body: bool = True, filed: bool = True) -> Letter:
    """Return a message as the rules see it; without octets, by its envelope alone. Never raises for mail.

    Without `body` it is read for rules that ask for nothing of that; if it is not to be `filed`, for rules alone.
    """
    unread = octets is None or about.source_only is not None
    if octets is None or unread:
        facts = Facts(source_only=about.source_only or "crash", size_bytes=about.size)
    elif body:
        read = facts_of if filed else facts_for_rules
        facts = read(octets, null_path=not about.reverse_path)
    else:
        facts = head_facts_of(octets)
    # What refers to nothing is no reply, and nobody need be asked.
    is_none = about.reply is None and not unread and not facts.references
    return Letter(
        facts=facts,
        reverse_path=as_path(about.reverse_path),
        received_at=datetime.fromtimestamp(about.received_ms / 1000, UTC),
        verdicts=_verdicts(facts, about, unread=unread),
        reply=False if is_none else about.reply,
    )


def _verdicts(facts: Facts, about: Circumstances, *, unread: bool) -> Verdicts:
    if about.verdicts is not None:
        return about.verdicts
    if not about.believed:
        return Verdicts()
    return UNREAD if unread else verdicts_of(facts.fields, about.believed, null_path=not about.reverse_path)
