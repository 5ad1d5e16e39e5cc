"""The screen: everybody who was set is asked about a mail at once, and one decision comes of it.

Promises: the answer comes within the longest deadline of those asked; a tool that is away, hangs or talks nonsense is
a finding, and what becomes of the mail is set. A mail from a relay in front, or for the postmaster alone, is refused
by nobody: it is filed instead, because the one would have to write a bounce to whoever the sender pretends to be, and
the other must hear of wrong refusals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import structlog

from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import SPAM, VIRUS, Finding, Screening
from maild.screening.asked import Asked, Octets, Opinion, Wish
from maild.screening.greylist import come_again, is_for_postmaster

_FILED = {Wish.FILE: SPAM, Wish.HOLD: VIRUS}
_log = structlog.get_logger()


class Decision(NamedTuple):
    """What becomes of a mail. With a `reply` it is not accepted; else `screening` is kept with it, if there is any."""

    reply: Reply | None = None
    screening: Screening | None = None


class Patience(Protocol):
    """Remembers who was asked to come again."""

    async def wait_ms(self, envelope: Envelope) -> int:
        """Return how long the peer has to wait still; 0: it may come in."""
        ...


class Screen:
    """Asks about each mail before it is accepted."""

    def __init__(
        self,
        asked: Sequence[Asked],
        *,
        patience: Patience | None = None,
        is_relay: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Ask `asked`; `patience` greylists; `is_relay` knows the addresses of mail servers in front."""
        self._asked = tuple(asked)
        self._patience = patience
        self._is_relay = is_relay
        self.refused_count = 0
        self.deferred_count = 0
        self.filed_count = 0
        self.unavailable_count = 0

    async def look(self, envelope: Envelope, octets: Octets) -> Decision:
        """Decide on a mail whose octets have arrived."""
        relayed = self._is_relay(envelope.peer.ip)
        if self._patience is not None and not relayed and (wait_ms := await self._patience.wait_ms(envelope)):
            self.deferred_count += 1
            _log.info("screening.greylisted", ip=envelope.peer.ip, seconds=-(-wait_ms // 1000))
            return Decision(come_again(wait_ms))
        opinions = await self._opinions(envelope, octets)
        if relayed or is_for_postmaster(envelope):
            opinions = [_softened(opinion) for opinion in opinions]
        self._note_away(opinions)
        findings = tuple(finding for opinion in opinions for finding in opinion.findings)
        decisive = max(opinions, key=lambda opinion: opinion.wish, default=Opinion(()))
        if decisive.reply is not None:
            return self._turned_away(envelope, decisive, decisive.reply)
        filed = _FILED.get(decisive.wish, "")
        if filed:
            self.filed_count += 1
            _log.info("screening.filed", ip=envelope.peer.ip, verdict=filed, by=_by(decisive.findings))
        return Decision(None, Screening(findings, filed) if findings else None)

    async def _opinions(self, envelope: Envelope, octets: Octets) -> list[Opinion]:
        if not self._asked:
            return []
        # Invariant: nobody reads the content any more once this has returned, whatever happened to one of them.
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.opinion(envelope, octets)) for each in self._asked]
        return [task.result() for task in tasks]

    def _note_away(self, opinions: Sequence[Opinion]) -> None:
        away = [each for opinion in opinions for each in Screening(opinion.findings).unasked]
        self.unavailable_count += len(away)
        for finding in away:
            _log.warning("screening.unavailable", by=finding.by, reason=", ".join(finding.names))

    def _turned_away(self, envelope: Envelope, opinion: Opinion, reply: Reply) -> Decision:
        if opinion.wish is Wish.REFUSE:
            self.refused_count += 1
            _log.info("screening.refused", ip=envelope.peer.ip, by=_by(opinion.findings))
        else:
            self.deferred_count += 1
            _log.info("screening.deferred", ip=envelope.peer.ip, by=_by(opinion.findings))
        return Decision(reply)


def _softened(opinion: Opinion) -> Opinion:
    if opinion.wish is not Wish.REFUSE:
        return opinion
    found_virus = any(finding.verdict == VIRUS for finding in opinion.findings)
    return opinion._replace(wish=Wish.HOLD if found_virus else Wish.FILE, reply=None)


def _by(findings: Sequence[Finding]) -> list[str]:
    """Name who spoke against a mail, with scores and without the names they found: those may hold what a mail says."""
    against = Screening(tuple(findings)).against or tuple(findings)
    return [each.by if each.score is None else f"{each.by} {each.score:g}" for each in against]
