"""Acceptance: the reception that the SMTP edge talks to. When `accept` returns 250, responsibility is ours.

It waits for the commit of the transaction that holds the octets, the envelope and the work items. Before that, where
the rules have a `reject` that may concern the mail, it waits two seconds at most for their answer
(`maild.intake.door`). A failure of ours is a 4xx, and the peer keeps the mail.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from maild.archive.commit import Acceptance, Accepted, Addressee, accept
from maild.archive.writer import Writer
from maild.errors import DiskFullError, TemporaryError
from maild.intake.admit import admit
from maild.intake.company import Company
from maild.intake.door import Door
from maild.intake.inspection import Inspection, Inspector
from maild.intake.space import Space
from maild.intake.spool import Spool
from maild.mail.address import Address
from maild.mail.authentication import Verdicts
from maild.mail.envelope import Envelope, Recipient
from maild.mail.evidence import to_json as evidence_json
from maild.mail.ids import format_id, message_id_at
from maild.mail.reply import Reply
from maild.mail.screening import to_json as screening_json
from maild.rules.nearby import Nearby
from maild.rules.rulebook import Rulebook
from maild.screening.screen import Decision, Screen

NO_ROOM = Reply(code=452, enhanced="4.3.1", text="Not enough room for now, try again later")
NOT_STORED = Reply(code=451, enhanced="4.3.0", text="Not stored, try again later")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message that has just become ours; `octets` None when it is too large to hand over in memory.

    `screening` is JSON; None when nobody was asked about it.
    """

    message_id: int
    received_ms: int
    envelope: Envelope
    size: int
    octets: bytes | None
    inspection: Inspection | None = None  # of its sender; None: nobody is to look
    screening: str | None = None  # JSON of `maild.mail.screening`

    @property
    def verdicts(self) -> Verdicts | None:
        """What has been found out about the sender already."""
        evidence = None if self.inspection is None else self.inspection.evidence
        return None if evidence is None else evidence.verdicts

    @property
    def mark(self) -> str:
        """The tag that it gets because nothing proves its sender."""
        evidence = None if self.inspection is None else self.inspection.evidence
        return "" if evidence is None else evidence.mark


class Intake:
    """Answers the four questions of a session: is there room, is it ours, where to write, is it stored."""

    def __init__(
        self,
        *,
        writer: Writer,
        rulebook: Rulebook,
        door: Door,
        space: Space,
        spool_dir: Path,
        hostname: str,
        now: Callable[[], datetime],
        chance: Callable[[], int],
        on_stored: Callable[[Stored], None],
        inspector: Inspector | None = None,
        screen: Screen | None = None,
        token_key: bytes | None = None,
    ) -> None:
        """Wire the reception.

        Args:
            writer: commits.
            rulebook: the rules that serve.
            door: refuses by the rules.
            space: whether the disk has room.
            spool_dir: where large mail waits for its commit.
            hostname: this machine's, for trace fields.
            now: the wall clock, aware.
            chance: gives random bits for ids.
            on_stored: hears of mail after its commit.
            inspector: finds out who sent what, where its domain may want it refused; None: nobody does.
            screen: asks scanners before the commit; None: there are none.
            token_key: of the addresses that reports about our own mail come back to; None: there are none.
        """
        self._token_key = token_key
        self._writer = writer
        self._rulebook = rulebook
        self._door = door
        self._space = space
        self._spool_dir = spool_dir
        self._hostname = hostname
        self._now = now
        self._chance = chance
        self._on_stored = on_stored
        self._inspector = inspector
        self._screen = screen
        self._nearby: Nearby | None = None
        self._company = Company()
        self.accepted_count = 0
        self.failed_count = 0
        self.refused_count = 0

    def ready(self, size: int | None) -> Reply | None:
        """Say 452 while the disk has no room, 451 while storage is not trusted; None to go on."""
        return None if self._space.has_room(size) else NO_ROOM

    def admit(self, address: Address, reverse_path: Address | None) -> Reply:
        """Decide on one recipient by the serving rules."""
        ruleset = self._rulebook.current
        if self._nearby is None or self._nearby.version != ruleset.version:
            self._nearby = Nearby(ruleset)
        reply = admit(ruleset, address, self._nearby, token_key=self._token_key)
        if reply.accepted and ruleset.refusing:
            reply = self._door.at_rcpt(ruleset, address, reverse_path, self._now()) or reply
        if not reply.accepted:
            self.refused_count += 1
        return reply

    def spool(self) -> Spool:
        """Return a fresh spool for one message."""
        return Spool(self._spool_dir)

    async def accept(self, envelope: Envelope, spool: Spool) -> Reply:
        """Make the message durable; 250 with its id only after the commit. 5xx when rules refuse it for everyone."""
        try:
            spool.finish()
            return await self._accept(envelope, spool)
        except TemporaryError as error:
            self.failed_count += 1
            self._space.give_up_reserve_if_full()
            return NO_ROOM if isinstance(error, DiskFullError) else NOT_STORED
        finally:
            spool.discard()

    async def _accept(self, envelope: Envelope, spool: Spool) -> Reply:
        received_ms = int(self._now().timestamp() * 1000)
        inspection = None if self._inspector is None else self._inspector.begin(envelope, spool, received_ms)
        refusal = await self._door.at_end(self._rulebook.current, envelope, spool, received_ms, inspection)
        if refusal is None and inspection is not None:
            refusal = await inspection.refusal()
        if refusal is not None:
            self.refused_count += 1
            return refusal
        looked = Decision() if self._screen is None else await self._screen.look(envelope, spool)
        if looked.reply is not None:
            self.refused_count += 1
            return looked.reply
        evidence = None if inspection is None or inspection.evidence is None else evidence_json(inspection.evidence)
        screening = None if looked.screening is None else screening_json(looked.screening)
        acceptance = self._acceptance(envelope, spool, received_ms, evidence=evidence, screening=screening)
        if inspection is not None and inspection.read is not None:
            await self._company.complete()
        accepted = await self._writer.run(accept, acceptance)
        self.accepted_count += 1
        self._report(accepted, envelope, spool)
        if accepted.to_route:
            stored = Stored(
                message_id=accepted.message_id,
                received_ms=received_ms,
                envelope=envelope,
                size=spool.size,
                octets=spool.octets,
                inspection=inspection,
                screening=screening,
            )
            self._on_stored(stored)
        return Reply(code=250, enhanced="2.0.0", text=f"Ok: stored as {format_id(accepted.message_id)}")

    def _acceptance(
        self, envelope: Envelope, spool: Spool, received_ms: int, *, evidence: str | None, screening: str | None
    ) -> Acceptance:
        message_id = message_id_at(received_ms, self._chance())
        return Acceptance(
            message_id=message_id,
            direction="in",
            origin="smtp",
            content=spool,
            received_ms=received_ms,
            reverse_path=None if envelope.reverse_path is None else str(envelope.reverse_path),
            envelope=_envelope_json(envelope, self._hostname),
            addressees=tuple([_addressee(r) for r in envelope.recipients]),
            evidence=evidence,
            screening=screening,
        )

    def _report(self, accepted: Accepted, envelope: Envelope, spool: Spool) -> None:
        _log.info(
            "message.accepted",
            id=format_id(accepted.message_id),
            size=spool.size,
            peer=envelope.peer.ip,
            recipients=len(envelope.recipients),
            duplicate=accepted.duplicate_of is not None,
        )


def _addressee(recipient: Recipient) -> Addressee:
    dsn = None
    if recipient.orcpt is not None or recipient.notify:
        dsn = json.dumps({"orcpt": recipient.orcpt, "notify": sorted(recipient.notify)})
    return Addressee(address=str(recipient.address), address_key=recipient.address.key, dsn=dsn)


def _envelope_json(envelope: Envelope, hostname: str) -> str:
    # All that a Received field needs is kept; it is composed where the message leaves us.
    peer = envelope.peer
    values: dict[str, object] = {
        "ip": peer.ip,
        "port": peer.port,
        "helo": peer.helo,
        "protocol": peer.protocol,
        "tls": None if peer.tls is None else [peer.tls.version, peer.tls.cipher],
        "login": peer.login,
        "smtputf8": envelope.smtputf8,
        "eight_bit": envelope.eight_bit,
        "ret": envelope.ret,
        "envid": envelope.envid,
        "by": hostname,
    }
    return _encode({k: v for k, v in values.items() if v is not None and v is not False})


_encode = json.JSONEncoder(ensure_ascii=False).encode
