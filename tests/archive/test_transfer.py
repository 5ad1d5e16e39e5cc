from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from sqlalchemy import select

from maild.archive import content
from maild.archive.content import CHUNK_BYTES
from maild.archive.database import Database
from maild.archive.schema import messages, recipients
from maild.archive.sources import Item, SourceError
from maild.archive.transfer import Taken, Target, import_messages
from maild.archive.verify import verify
from maild.mail.address import parse_address
from maild.mail.ids import id_ms

NOW_MS = 1_800_000_000_000
KITA = Target(address=parse_address("kita@musterstadt.example"))


def letter(number: int, date: str = "Mon, 05 Jan 2026 10:00:00 +0100") -> Item:
    text = (
        f"From: Petra <petra@b.example>\r\nReturn-Path: <bounce@b.example>\r\nDate: {date}\r\n\r\nletter {number}\r\n"
    )
    return Item(name=f"box:{number}", octets=text.encode(), consumed=number)


def take(database: Database, items: list[Item], target: Target = KITA) -> list[Taken]:
    numbers = count(1)
    return list(import_messages(database.writer, items, target, now_ms=NOW_MS, chance=lambda: next(numbers)))


def test_imported_octets_come_back_exactly(database: Database) -> None:
    items = [
        letter(1),
        Item(name="x", octets=b"\0\r\n.\r\n\n\r" * 90_000, consumed=0),
        Item(name="", octets=b"", consumed=0),
    ]
    assert len(items[1].octets) > 2 * CHUNK_BYTES
    taken = take(database, items)
    with database.read() as connection:
        for result in taken:
            digest = connection.scalar(select(messages.c.digest).where(messages.c.id == result.message_id))
            assert digest is not None
            assert content.read(connection, bytes(digest)) == result.item.octets
        assert list(verify(connection, full=True, progress=lambda _: None)) == []


def test_a_message_gets_the_id_of_its_own_date(database: Database) -> None:
    (taken,) = take(database, [letter(1)])
    assert taken.message_id is not None
    assert id_ms(taken.message_id) == 1_767_603_600_000


@pytest.mark.parametrize("date", ["Mon, 05 Jan 2099 10:00:00 +0100", "never", ""])
def test_a_date_of_the_future_or_none_becomes_the_time_of_the_import(sqlite_database: Database, date: str) -> None:
    (taken,) = take(sqlite_database, [letter(1, date)])
    assert taken.message_id is not None
    assert id_ms(taken.message_id) == NOW_MS


def test_repeating_an_import_takes_nothing_twice(database: Database) -> None:
    items = [letter(n) for n in range(50)]
    assert all(t.message_id is not None for t in take(database, items[:30]))
    again = take(database, items)
    assert [t.message_id is None for t in again] == [True] * 30 + [False] * 20
    with database.read() as connection:
        assert len(connection.scalars(select(messages.c.id)).all()) == 50


def test_the_same_octets_twice_in_one_source_are_one_message(database: Database) -> None:
    first, second = take(database, [letter(1), letter(1)])
    assert first.message_id is not None
    assert second.message_id is None


def test_the_same_octets_for_another_place_are_imported(database: Database) -> None:
    take(database, [letter(1)])
    (other,) = take(database, [letter(1)], Target(team="kita"))
    assert other.message_id is not None
    with database.read() as connection:
        rows = connection.execute(select(recipients.c.address, recipients.c.team, recipients.c.state)).all()
    assert {tuple(row) for row in rows} == {("kita@musterstadt.example", None, "accepted"), ("", "kita", "accepted")}


def test_mail_that_we_sent_is_outgoing(database: Database) -> None:
    mine = Target(team="kita", sent_by=parse_address("petra@B.example"))
    take(database, [letter(1), Item(name="x", octets=b"From: other@b.example\n\n", consumed=0)], mine)
    with database.read() as connection:
        rows = connection.execute(select(messages.c.direction, messages.c.reverse_path).order_by(messages.c.id)).all()
    assert sorted(map(tuple, rows)) == [("in", None), ("out", "petra@b.example")]


def test_the_return_path_is_the_reverse_path(database: Database) -> None:
    take(database, [letter(1)])
    with database.read() as connection:
        assert connection.scalar(select(messages.c.reverse_path)) == "bounce@b.example"


def test_what_was_read_before_a_failure_is_committed_and_told(sqlite_database: Database) -> None:
    def broken() -> Iterator[Item]:
        yield letter(1)
        yield letter(2)
        raise SourceError("the third is damaged")

    numbers = count(1)
    told: list[Taken] = []
    with pytest.raises(SourceError, match="the third"):
        told.extend(
            import_messages(sqlite_database.writer, broken(), KITA, now_ms=NOW_MS, chance=lambda: next(numbers))
        )
    with sqlite_database.read() as connection:
        assert len(connection.scalars(select(messages.c.id)).all()) == 2
