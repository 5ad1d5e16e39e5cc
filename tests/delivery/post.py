"""A post room for tests: mail that leaves, a worker that one drives by hand, a clock that one sets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from sqlalchemy import Connection, insert, select

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.examinations import keep_evidence
from maild.archive.filing import file
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.delivery.courier import Courier
from maild.delivery.deliveries import LMTP, MAILDIR, SMTP, Dsn, NewDelivery
from maild.delivery.dialogue import Timeouts
from maild.delivery.hosts import Hosts, Target
from maild.delivery.lmtp_courier import LmtpCourier
from maild.delivery.maildir_courier import MaildirCourier
from maild.delivery.queue.listing import RecordedAttempt, RecordedDelivery, attempts_of, deliveries_of
from maild.delivery.queue.working import enqueue
from maild.delivery.sending_on import SendsOn
from maild.delivery.signatures import Sign, unsigned
from maild.delivery.smtp_courier import Smarthost, SmtpCourier
from maild.delivery.tls import Contexts, Demand, Level, TlsPolicy, opportunistic
from maild.delivery.worker import Limits, Worker
from maild.dns.answer import Kind, Resolver
from maild.mail.evidence import Evidence, to_json
from maild.policy.visible import OPERATOR
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.authentication.zone import Zone

PATIENT = Timeouts(connect_s=20, banner_s=20, hello_s=20, tls_s=20, login_s=20, mail_s=20, recipient_s=20, data_s=20,
                   block_s=20, end_s=20)  # fmt: skip
DAY_MS = 24 * 3600 * 1000
THERE = "there.example"
ZONE = Zone({THERE: {Kind.MX: [(10, "mx.there.example")]}, "mx.there.example": {Kind.A: ["127.0.0.1"]}})
LETTER = b"From: kita@musterstadt.example\r\nSubject: Ihr Antrag\r\n\r\nGuten Tag\r\n.\r\n..x\r\n"


def asking(level: Level) -> TlsPolicy:
    """Ask every host for the same."""

    async def policy(_domain: str, _target: Target, /) -> Demand:
        return Demand(level=level)

    return policy


def out(
    database: Database,
    to: Sequence[str] = ("a@there.example",),
    *,
    octets: bytes = LETTER,
    sender: str | None = "kita@musterstadt.example",
    number: int = 1,
    once: bool = False,
    kind: str = SMTP,
    next_hop: str = "",
    team: str = "kita",
    dsn: Dsn | None = None,
    held: str | None = None,
    at_ms: int = NOW_MS,
) -> int:
    """Archive a message that leaves, with its deliveries, in one transaction; return its id."""

    def unit(connection: Connection, arguments: list[None]) -> list[int]:
        letter = acceptance(number, octets=octets, sender=sender, direction="out", origin="submission", to=tuple(to))
        message_id = accept(connection, [letter])[0].message_id
        row = {"message_id": message_id, "kind": "answer", "team": team, "author": "petra"}
        connection.execute(insert(outgoing).values(**row))
        new = [
            NewDelivery(
                message_id=message_id,
                recipient=address,
                reverse_path=sender,
                next_hop=next_hop or address.rpartition("@")[2],
                kind=kind,
                dsn=dsn or Dsn(),
                once=once,
                made_ms=at_ms,
                due_ms=at_ms,
                expires_ms=at_ms + 5 * DAY_MS,
                held=held,
            )
            for address in to
        ]
        enqueue(connection, new)
        return [message_id for _ in arguments]

    return database.writer.submit(unit, None).result()


def letter(database: Database, *asked: Duty, number: int = 1, octets: bytes | None = None) -> int:
    """A letter that came, with what its rules asked for."""
    accepted = database.writer.submit(accept, acceptance(number, octets=octets)).result()
    filed = filing(accepted.message_id, duties=asked, teams=tuple({duty.team for duty in asked}) or ("poststelle",))
    database.writer.submit(file, filed).result()
    return accepted.message_id


def prove(database: Database, message_id: int, evidence: Evidence) -> None:
    """Keep what was found out about a letter's sender."""

    def unit(connection: Connection, arguments: list[str]) -> list[None]:
        for text in arguments:
            keep_evidence(connection, {message_id: text})
        return [None for _ in arguments]

    database.writer.submit(unit, to_json(evidence)).result()


@dataclass
class Post:
    """The worker of a store. `now_ms` and `clock_s` stand still until they are moved."""

    database: Database
    port: int = 25
    resolver: Resolver = ZONE
    timeouts: Timeouts = PATIENT
    contexts: Contexts = field(default_factory=Contexts)
    policy: TlsPolicy = opportunistic
    smarthost: Smarthost | None = None
    limits: Limits = field(default_factory=Limits)
    couriers: dict[str, Courier] = field(default_factory=dict)
    sign: Sign = unsigned
    sends_on: SendsOn | None = None
    now_ms: int = NOW_MS
    clock_s: float = 0.0
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        hosts = Hosts(
            self.resolver,
            chance=lambda: 0.5,
            names=("mx.musterstadt.example",),
            allowed=(ip_network("127.0.0.0/8"),),
            port=self.port,
        )
        smtp = SmtpCourier(
            hosts,
            helo="mx.musterstadt.example",
            contexts=self.contexts,
            policy=self.policy,
            smarthost=self.smarthost,
            timeouts=self.timeouts,
        )
        couriers: dict[str, Courier] = {
            SMTP: smtp,
            LMTP: LmtpCourier(helo="mx.musterstadt.example", timeouts=self.timeouts),
            MAILDIR: MaildirCourier(hostname="mx.musterstadt.example"),
        }
        self.worker = Worker(
            database=self.database,
            couriers=couriers | self.couriers,
            hostname="mx.musterstadt.example",
            now_ms=lambda: self.now_ms,
            chance=lambda: 0.5,
            limits=self.limits,
            single=frozenset() if self.smarthost is None else frozenset({SMTP}),
            sign=self.sign,
            sends_on=self.sends_on,
            clock=lambda: self.clock_s,
        )

    async def turn(self) -> None:
        """Send everything that is due, once."""
        self.worker.wake()
        while await self.worker._round() or self.worker._running:
            if self.worker._running:
                await asyncio.wait(list(self.worker._running), return_when=asyncio.FIRST_COMPLETED)
        for courier in self.worker._couriers.values():
            courier.close()
        for _ in range(20):  # what was closed is gone some turns of the loop later
            await asyncio.sleep(0)

    def later(self, ms: int = DAY_MS // 4) -> None:
        """Let time go by."""
        self.now_ms += ms
        self.clock_s += ms / 1000

    def deliveries(self, message_id: int) -> tuple[RecordedDelivery, ...]:
        with self.database.read() as connection:
            return deliveries_of(connection, visible=OPERATOR, message_ids=[message_id]).get(message_id, ())

    def tries(self, delivery_id: int) -> list[RecordedAttempt]:
        with self.database.read() as connection:
            return attempts_of(connection, visible=OPERATOR, delivery_id=delivery_id)

    def states(self, message_id: int) -> list[str]:
        return [each.state for each in self.deliveries(message_id)]


def leases(database: Database) -> int:
    """Count the deliveries that somebody has in hand."""
    with database.read() as connection:
        return len(connection.execute(select(deliveries.c.id).where(deliveries.c.lease_ms.is_not(None))).all())
