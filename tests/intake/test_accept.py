from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from maild.archive.database import Database
from maild.archive.schema import messages
from maild.authentication.examiner import Examiner, Terms
from maild.confinement import Pool
from maild.dns.answer import Answer, Kind, Status
from maild.dns.cache import Cache, Failure, Key
from maild.dns.resolver import DnsResolver
from maild.intake.accept import Intake, Stored
from maild.intake.door import Door
from maild.intake.inspection import Inspector
from maild.intake.space import Space
from maild.mail.address import parse_address, parse_path
from maild.mail.authentication import NO_RELAYS
from maild.mail.envelope import Envelope, Peer, Recipient
from tests.web.office import Book, rules

NOW = datetime(2026, 9, 21, tzinfo=UTC)
MAIL = b"Subject: x\r\n\r\n" + random.Random(1).randbytes(300_000)


class Reception:
    """An intake on a real store, whose database may be told that it is full."""

    def __init__(self, database: Database, directory: Path, *, writer: Any = None, **more: Any) -> None:
        self.database = database
        self.most_pages = 1 << 30
        self.offered: list[Stored] = []
        book: Any = Book(rules())
        self.intake = Intake(
            writer=writer or database.writer,
            rulebook=book,
            door=Door(Pool(0), NO_RELAYS),
            space=Space(directory, min_free_bytes=0, reserve_bytes=0, now_ms=lambda: 0),
            spool_dir=directory,
            hostname="mx.musterstadt.example",
            now=lambda: NOW,
            chance=lambda: 7,
            on_stored=self.offered.append,
            **more,
        )
        event.listen(database.writing, "connect", self._limit)

    def _limit(self, raw: Any, _record: object) -> None:
        raw.execute(f"PRAGMA max_page_count={self.most_pages}")

    async def give(self, octets: bytes) -> str:
        to = Recipient(address=parse_address("kita@musterstadt.example"))
        envelope = Envelope(
            reverse_path=parse_path("<petra@citizen.example>"),
            recipients=(to,),
            peer=Peer(ip="192.0.2.1", port=4000, helo="x", protocol="ESMTP", tls=None),
        )
        spool = self.intake.spool()
        spool.write(octets)
        return str(await self.intake.accept(envelope, spool))

    @property
    def stored_count(self) -> int:
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(messages)) or 0


@pytest.fixture
def reception(sqlite_database: Database, tmp_path: Path) -> Reception:
    return Reception(sqlite_database, tmp_path)


async def test_a_mail_is_answered_with_the_id_under_which_it_is_stored(reception: Reception) -> None:
    assert (await reception.give(MAIL)).startswith("250 2.0.0 Ok: stored as ")
    assert [stored.size for stored in reception.offered] == [len(MAIL)]


async def test_a_commit_that_meets_a_full_disk_is_a_452_and_stores_nothing(reception: Reception) -> None:
    reception.most_pages = 1  # as many as there are already, and no more
    for _ in range(3):
        assert await reception.give(MAIL) == "452 4.3.1 Not enough room for now, try again later"
    assert (reception.stored_count, reception.offered) == (0, [])
    reception.most_pages = 1 << 30
    assert (await reception.give(MAIL)).startswith("250")


class Remembering(Cache):
    """A cache that notes when it is asked."""

    def __init__(self, noted: list[str]) -> None:
        super().__init__()
        self._noted = noted

    def get(self, key: Key, now_s: float) -> Answer | Failure | None:
        self._noted.append("looked")
        return super().get(key, now_s)


class Noting:
    """The writer, with a note of each unit that it is given."""

    def __init__(self, database: Database, noted: list[str]) -> None:
        self._writer = database.writer
        self._noted = noted

    def run(self, unit: Any, argument: Any) -> asyncio.Future[Any]:
        self._noted.append("stored")
        return self._writer.run(unit, argument)


async def test_letters_that_come_at_once_are_all_looked_into_before_the_first_of_them_is_stored(
    sqlite_database: Database, tmp_path: Path
) -> None:
    noted: list[str] = []
    cache = Remembering(noted)
    for name, text in (
        ("citizen.example", b"v=spf1 ip4:192.0.2.1 -all"),
        ("_dmarc.citizen.example", b"v=DMARC1; p=reject; psd=n"),
    ):
        cache.put((name, Kind.TXT), Answer(Status.FOUND, (text,)), time.monotonic(), 3_600)
    inspector = Inspector(Pool(0), Examiner(DnsResolver(cache=cache), Terms()), NO_RELAYS)
    reception = Reception(sqlite_database, tmp_path, writer=Noting(sqlite_database, noted), inspector=inspector)
    letters = [b"From: petra@citizen.example\r\n\r\n%d" % number for number in range(5)]
    replies = await asyncio.gather(*map(reception.give, letters))
    assert all(reply.startswith("250") for reply in replies), replies
    looked = noted.index("stored")
    assert (looked > 5, set(noted[looked:]), len(noted) - looked) == (True, {"stored"}, 5)
