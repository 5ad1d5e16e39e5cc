"""Senders who have written lately: of the next letter of their domain by the same machine only the signature is new.

What SPF and DMARC come to, and which key signs, hangs on the machine, on the domains in the reverse-path and in From,
on what the signatures say of themselves, and on records that are remembered. While all of these are the same, the
result is; what is left is whether each signature holds over this letter, and that is found out for each one.

Promises: nothing is kept but of letters all of whose signatures hold, and no longer than the first of the records that
were seen; `recognise` says nothing unless all signatures of this letter hold, too. What it says is what an examination
would have found. It is bounded, and never waits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from maild.authentication.dkim import in_time, outcome
from maild.authentication.keys import Key
from maild.authentication.reading import Read
from maild.mail.authentication import NONE, PASS
from maild.mail.evidence import Evidence

_KEPT = 512  # some kilobytes each at most
_SIGNATURES = 4
_TEXT = 1_000  # of strangers' words that are compared
Sender = tuple[str, str, str | None]  # a `Dialogue`
_Likeness = tuple[object, ...]  # all that decides, but for records, signatures and the time


class _Known(NamedTuple):
    until_s: float
    keys: tuple[Key, ...]
    evidence: Evidence


class Familiar:
    """What was found out about senders, for as long as it holds. It belongs to one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with none; `clock` is that of the resolver."""
        self._clock = clock
        self._kept: OrderedDict[_Likeness, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recognise(self, sender: Sender, read: Read, now_ms: int) -> Evidence | None:
        """Return what is known of the sender of a letter; None when he has to be examined."""
        likeness = _likeness(sender, read)
        known = self._kept.get(likeness)
        if known is None:
            return None
        if known.until_s <= self._clock():
            del self._kept[likeness]
            return None
        for claim, key in zip(read.claims.signatures, known.keys, strict=True):
            if in_time(claim, now_ms // 1000).result or outcome(claim, key)[0] != PASS:
                return None
        self._kept.move_to_end(likeness)
        return known.evidence._replace(checked_ms=now_ms)

    def keep(self, sender: Sender, read: Read, keys: tuple[Key, ...], evidence: Evidence, until_s: float) -> None:
        """Keep what an examination has found; `keys` are those of the signatures, in their order."""
        likeness = _likeness(sender, read)
        if until_s <= self._clock() or sum(len(each) for each in likeness if isinstance(each, str)) > _TEXT:
            return
        self._kept[likeness] = _Known(until_s, keys, evidence)
        self._kept.move_to_end(likeness)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def is_lasting(read: Read, evidence: Evidence) -> bool:
    """Tell whether the next letter like this one, its signatures good, comes to the same."""
    signed = 0 < len(evidence.dkim) <= _SIGNATURES and all(each.result == PASS for each in evidence.dkim)
    followed = evidence.override or evidence.mark or evidence.relay
    return signed and read.claims.chain.result == NONE and not followed


def _likeness(sender: Sender, read: Read) -> _Likeness:
    # Security: the local part of the reverse-path and, beside one, the name in HELO decide only where a record has
    # macros; what came of such a record is not kept (`dns.recall.Noted`).
    ip, helo, path = sender
    author, claims = read
    likeness: list[object] = [ip, None if path else helo, path and path.rpartition("@")[2], author.domain]
    likeness.extend((author.problem, claims.chain.result))
    for claim in claims.signatures:
        likeness += claim[:4]  # domain, selector, algorithm, agent
        likeness += claim[8:]  # result, reason, uncovered, signs_reply_to
    return tuple(likeness)
