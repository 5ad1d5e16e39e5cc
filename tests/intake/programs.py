"""A desk for mail programs on a real store, with the listener before it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Table, select

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.app_passwords import NewAppPassword, add_app_passwords, new_secret, shown
from maild.archive.as_read import Filing
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.documents import IndexDocument
from maild.archive.filing import file
from maild.archive.passwords import Cost, hash_password
from maild.intake.mail_programs import MailPrograms
from maild.intake.spool import Spool
from maild.intake.subject_references import SubjectReferences
from maild.intake.submit import Order, Submitter
from maild.policy.roles import Role
from maild.router import reading
from maild.rules.rulebook import Rulebook
from maild.smtp.limits import Limits
from maild.smtp.reception import Reception
from maild.smtp.server import Server, serve
from maild.smtp.signing_in import Desk, SubmissionSession
from maild.smtp.tls import TlsFiles
from tests.archive.samples import NOW_MS, acceptance
from tests.smtp.room import eventually

CHEAP = Cost(memory_kib=64, iterations=1)
KITA = "kita@musterstadt.example"
PETRA = "petra@citizen.example"
RULES = """\
version: 1
organisation: {name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams: {poststelle: {name: Zentrale Poststelle}, kita: {name: Kita-Platzvergabe}}
fallback: poststelle
addresses:
  info: {team: poststelle}
  kita: {team: kita, title: Kita-Platzvergabe}
"""


@dataclass
class Hall:
    """Gives room to what comes."""

    directory: Path

    def ready(self, size: int | None) -> None:
        del size

    def spool(self) -> Spool:
        return Spool(self.directory)


@dataclass
class Programs:
    """The desk; `jonas` and `petra` answer for the kita."""

    database: Database
    directory: Path
    per_hour: int = 200
    rules: str = RULES
    now_ms: int = NOW_MS + 60_000
    now_s: float = 0.0
    desk: MailPrograms = field(init=False)
    rulebook: Rulebook = field(init=False)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    meanwhile: Callable[[], object] = lambda: None  # while a letter is read

    def __post_init__(self) -> None:
        path = self.directory / "rules.yaml"
        path.write_text(self.rules, encoding="utf-8")
        self.rulebook = Rulebook(path, self.directory)
        self.rulebook.load_at_start()
        submitter = Submitter(
            writer=self.database.writer,
            read=self.read,
            index=lambda _: None,
            on_sent=lambda _: None,
            is_ours=lambda address: self.rulebook.current.serves(address.domain),
            hostname="mx.musterstadt.example",
            now_ms=self.tick,
            chance=lambda: next(self.numbers),
            references=SubjectReferences(database=self.database, rules=lambda: self.rulebook.current),
        )
        self.desk = MailPrograms(
            database=self.database,
            rulebook=self.rulebook,
            submitter=submitter,
            now_ms=lambda: self.now_ms,
            clock=lambda: self.now_s,
            recipients_per_hour=self.per_hour,
            strip_client_headers=True,
            cost=CHEAP,
        )

    def tick(self) -> int:
        self.now_ms += 1_000
        return self.now_ms

    async def read(self, order: Order, octets: bytes) -> tuple[Filing, IndexDocument]:
        self.meanwhile()
        found = self._reading(order.message_id, "out", order.recipients, order.team, octets)
        return found.filing, found.document

    def _reading(
        self, message_id: int, direction: str, to: tuple[str, ...], team: str | None, octets: bytes
    ) -> reading.Reading:
        asked = reading.Order(
            message_id=message_id, direction=direction, received_ms=self.now_ms, reverse_path=KITA,
            addressed=tuple(reading.Addressed(as_given=each, team=team) for each in to),
            reference_bits=message_id * 2654435761 % (1 << 40), size=len(octets), reply=direction == "out",
        )  # fmt: skip
        return reading.read_one(self.rulebook.current, asked, octets)

    def person(self, login: str, *teams: str, role: Role = Role.RESPONDER) -> str:
        """Make a person who may answer for teams; returns the password of their mail program."""
        new = NewUser(login=login, name="", mail=f"{login}@musterstadt.example", password=None, created_ms=NOW_MS)
        self.database.writer.submit(add_users, new).result()
        for team in teams:
            given = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="test")
            self.database.writer.submit(add_grants, given).result()
        secret = new_secret()
        kept = NewAppPassword(login=login, name="Outlook", password=hash_password(secret, CHEAP), at_ms=NOW_MS)
        return shown(self.database.writer.submit(add_app_passwords, kept).result(), secret)

    def letter(self, message_key: str = "frage@citizen.example", to: str = KITA) -> int:
        """Have a letter from outside filed; returns its id, which is that of its conversation."""
        octets = (
            f"From: Petra <{PETRA}>\r\nTo: {to}\r\nSubject: Frage\r\nMessage-ID: <{message_key}>\r\n\r\nHallo\r\n"
        ).encode()
        taken = acceptance(next(self.numbers), octets=octets, to=(to,), at_ms=self.now_ms)
        message_id = self.database.writer.submit(accept, taken).result().message_id
        found = self._reading(message_id, "in", (to,), None, octets)
        self.database.writer.submit(file, found.filing).result()
        return message_id

    def rows(self, table: Table) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table)))

    @asynccontextmanager
    async def listening(
        self, tls: TlsFiles | None = None, *, tls_first: bool = False, limits: Limits | None = None
    ) -> AsyncIterator[Server]:
        """Listen on a free port of the loopback."""
        server = await serve(
            "127.0.0.1:0",
            cast("Reception", Hall(self.directory)),
            limits or Limits(),
            "mx.us.example",
            tls,
            session=partial(SubmissionSession, desk=cast("Desk", self.desk), tls_first=tls_first),
        )
        try:
            yield server
        finally:
            await server.close()
            await eventually(lambda: server.connection_count == 0)
