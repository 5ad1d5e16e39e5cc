"""The reception with its screen, on a real store, with tools that do what a test tells them to."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from maild.archive.database import Database
from maild.archive.schema import messages
from maild.archive.schema_senders import examinations, greylist
from maild.confinement import Pool
from maild.intake.accept import Intake, Stored
from maild.intake.door import Door
from maild.intake.greylist import Greylist
from maild.intake.space import Space
from maild.intake.spool import Spool
from maild.mail.authentication import NO_RELAYS
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import Finding, Screening, from_json
from maild.screening.asked import Octets, Opinion, Wish
from maild.screening.screen import Screen
from tests.intake.test_accept import NOW
from tests.screening.mails import HAM, envelope
from tests.web.office import Book, rules

NO = Reply(code=554, enhanced="5.7.1", text="No")


class Tool:
    """Reads the whole mail and says what it was told to."""

    def __init__(self, opinion: Opinion | None = None) -> None:
        self.answer = opinion or Opinion((Finding("tool", "clean"),))
        self.read: list[bytes] = []

    async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:
        self.read.append(b"".join(octets.pieces()))
        assert octets.size == len(self.read[-1])
        return self.answer


class Reception:
    def __init__(self, database: Database, directory: Path, screen: Screen | None) -> None:
        self.database = database
        self.offered: list[Stored] = []
        book: Any = Book(rules())
        self.intake = Intake(
            writer=database.writer,
            rulebook=book,
            door=Door(Pool(0), NO_RELAYS),
            space=Space(directory, min_free_bytes=0, reserve_bytes=0, now_ms=lambda: 0),
            spool_dir=directory,
            hostname="mx.musterstadt.example",
            now=lambda: NOW,
            chance=lambda: 7,
            on_stored=self.offered.append,
            screen=screen,
        )

    async def give(self, octets: bytes = HAM, ip: str = "8.8.8.25") -> str:
        spool = self.intake.spool()
        for start in range(0, len(octets), 10_000):
            spool.write(octets[start : start + 10_000])
        return str(await self.intake.accept(envelope(ip), spool))

    def kept(self) -> tuple[int, list[Screening]]:
        with self.database.read() as connection:
            count = connection.scalar(select(func.count()).select_from(messages)) or 0
            found = connection.execute(select(examinations.c.screening)).scalars().all()
        return count, [from_json(text) for text in found]


@pytest.mark.parametrize("size", [0, 1, 65_536, 262_144, 262_145, 1_000_000])
def test_a_spool_gives_its_octets_as_often_as_asked(tmp_path: Path, size: int) -> None:
    octets = random.Random(1).randbytes(size)
    spool = Spool(tmp_path)
    spool.write(octets)
    spool.finish()
    for _ in range(2):
        pieces = list(spool.pieces())
        assert b"".join(pieces) == octets
        assert all(0 < len(piece) <= 262_144 for piece in pieces)
    spool.discard()


async def test_what_was_said_is_stored_with_the_mail_and_handed_to_the_router(
    sqlite_database: Database, tmp_path: Path
) -> None:
    tool = Tool(Opinion((Finding("tool", "spam", 9.0),), Wish.FILE))
    reception = Reception(sqlite_database, tmp_path, Screen([tool]))
    large = HAM + random.Random(1).randbytes(700_000)
    assert (await reception.give(large)).startswith("250 ")
    assert tool.read == [large]
    said = Screening((Finding("tool", "spam", 9.0),), "spam")
    assert reception.kept() == (1, [said])
    assert [from_json(stored.screening or "") for stored in reception.offered] == [said]


@pytest.mark.parametrize(
    ("opinion", "reply"),
    [
        (Opinion((), Wish.REFUSE, NO), "554 5.7.1 No"),
        (Opinion((), Wish.DEFER, Reply(code=451, enhanced="4.3.0", text="Later")), "451 4.3.0 Later"),
    ],
)
async def test_what_is_refused_or_deferred_is_not_stored(
    sqlite_database: Database, tmp_path: Path, opinion: Opinion, reply: str
) -> None:
    reception = Reception(sqlite_database, tmp_path, Screen([Tool(opinion)]))
    assert await reception.give() == reply
    assert reception.kept() == (0, [])
    assert (reception.offered, reception.intake.refused_count) == ([], 1)


async def test_without_a_screen_nothing_is_written_of_one(sqlite_database: Database, tmp_path: Path) -> None:
    reception = Reception(sqlite_database, tmp_path, None)
    assert (await reception.give()).startswith("250 ")
    assert reception.kept() == (1, [])


class Clock:
    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def __call__(self) -> int:
        return self.ms


async def test_a_stranger_comes_again_and_then_comes_in(sqlite_database: Database, tmp_path: Path) -> None:
    clock = Clock()
    patience = Greylist(sqlite_database, delay_s=300, window_s=86_400, now_ms=clock)
    reception = Reception(sqlite_database, tmp_path, Screen([], patience=patience))
    assert await reception.give() == "451 4.7.1 You are new here: please come again in 300 seconds (greylisting)"
    clock.ms += 200_000
    assert "in 100 seconds" in await reception.give()
    clock.ms += 100_000
    assert (await reception.give(ip="8.8.8.77")).startswith("250 ")
    assert (await reception.give(HAM + b"2")).startswith("250 ")
    assert (await reception.give(HAM + b"3", ip="127.0.0.1")).startswith("250 ")
    assert "(greylisting)" in await reception.give(HAM + b"4", ip="8.8.9.1")
    assert reception.kept()[0] == 3


async def test_the_memory_of_strangers_is_pruned_as_it_grows(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.intake.greylist._PRUNE_EVERY", 3)
    clock = Clock()
    patience = Greylist(sqlite_database, delay_s=300, window_s=86_400, now_ms=clock)
    for number in range(2):
        assert await patience.wait_ms(envelope(f"8.8.{number}.1")) == 300_000
    clock.ms += 86_400_000
    await patience.wait_ms(envelope("8.8.7.1"))
    with sqlite_database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(greylist)) == 1
