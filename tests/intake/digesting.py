"""People who are told by mail what is new: letters are really read, routed and filed; the clock stands."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from maild.archive import content
from maild.archive.digests import Choice, Choosing, choose
from maild.archive.handling import Handling, Work, handle
from maild.archive.notes import NewNote, add_notes
from maild.archive.schema import messages
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.intake.digests import Digests
from maild.mail.reading import facts_of
from maild.policy.digests import DAILY
from maild.rules.model import Ruleset
from tests.intake.copying import BOOK, CITIZEN, KITA, Exchange

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
URL = "https://post.example"


@dataclass
class Newsroom:
    """`kira` (mailbox outside) and `jonas` (none) answer for the kita; it is a Monday, 16:14."""

    exchange: Exchange
    sent: int = 0
    keys: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.database = self.exchange.database
        self.exchange.choose("kira", on=False)

    @property
    def now_ms(self) -> int:
        return self.exchange.door.now_ms

    def later(self, ms: int) -> None:
        self.exchange.door.now_ms += ms

    def task(self, rules: Ruleset | None = None) -> Digests:
        return Digests(
            database=self.database, rules=lambda: rules or self.exchange.book, base_url=URL,
            hostname="mx.us.example", now_ms=lambda: self.now_ms, chance=lambda: next(self.keys), on_sent=self._told,
        )  # fmt: skip

    def _told(self) -> None:
        self.sent += 1

    def wishes(self, login: str = "kira", user_id: int | None = None, *, mode: str = DAILY, **more: Any) -> None:
        choice = Choice(user_id=self.exchange.kira if user_id is None else user_id, mode=mode, **more)
        asked = Choosing(choice=choice, login=login, at_ms=self.now_ms)
        self.database.writer.submit(choose, asked).result()

    def letter(self, subject: str = "Ein Platz", to: str = KITA) -> int:
        """Have a citizen write; returns the id of the conversation."""
        octets = (
            f"From: Petra <{CITIZEN}>\r\nTo: {to}\r\nSubject: {subject}\r\nX: {next(self.keys)}\r\n\r\nGuten Tag\r\n"
        )
        return self.exchange.came(octets.encode(), (to,), sender=CITIZEN).conversation_id

    def assign(self, *conversations: int, to: int | None = None, by: str = "jonas", team: str = "kita") -> None:
        self.later(1_000)
        given = self.exchange.kira if to is None else to
        handlings = tuple(Handling(conversation_id=each, team=team, assignee=given) for each in conversations)
        self.database.writer.submit(handle, Work(by=by, at_ms=self.now_ms, handlings=handlings)).result()

    def mention(self, conversation: int, *, by: str = "jonas", team: str = "kita", text: str = "@kira") -> None:
        self.later(1_000)
        note = NewNote(conversation_id=conversation, team=team, author=by, at_ms=self.now_ms, text=text,
                       mentioned=frozenset({self.exchange.kira}))  # fmt: skip
        self.database.writer.submit(add_notes, note).result()

    def octets(self) -> list[bytes]:
        """Return all digests that were sent, as they leave."""
        with self.database.read() as connection:
            digests = connection.scalars(
                select(messages.c.digest)
                .join_from(messages, outgoing, outgoing.c.message_id == messages.c.id)
                .where(outgoing.c.kind == "digest")
                .order_by(messages.c.sequence)
            ).all()
            return [content.read(connection, bytes(each)) for each in digests]

    def texts(self) -> list[str]:
        return [facts_of(each).text for each in self.octets()]

    def ways(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(deliveries).where(deliveries.c.next_hop == "rathaus.example")))


__all__ = ["BOOK", "DAY_MS", "HOUR_MS", "KITA", "URL", "Newsroom"]
