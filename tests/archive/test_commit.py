from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select

from maild.archive.commit import DUPLICATE_WINDOW_MS, accept
from maild.archive.content import CHUNK_BYTES, read
from maild.archive.database import Database
from maild.archive.schema import messages, recipients
from tests.archive.samples import NOW_MS, acceptance


def _states(database: Database, message_id: int) -> list[str]:
    with database.read() as connection:
        statement = select(recipients.c.state).where(recipients.c.message_id == message_id)
        return list(connection.scalars(statement.order_by(recipients.c.position)))


def test_accept_stores_the_octets_exactly(database: Database) -> None:
    octets = bytes(range(256)) * 3000
    assert len(octets) > 2 * CHUNK_BYTES
    accepted = database.writer.submit(accept, acceptance(1, octets=octets)).result()
    with database.read() as connection:
        digest = connection.scalar(select(messages.c.digest).where(messages.c.id == accepted.message_id))
        assert digest is not None
        assert read(connection, bytes(digest)) == octets


def test_accept_stores_an_empty_message(database: Database) -> None:
    accepted = database.writer.submit(accept, acceptance(1, octets=b"")).result()
    with database.read() as connection:
        digest = connection.scalar(select(messages.c.digest).where(messages.c.id == accepted.message_id))
        assert digest is not None
        assert read(connection, bytes(digest)) == b""


def test_accept_numbers_messages_without_gaps(database: Database) -> None:
    futures = [database.writer.submit(accept, acceptance(n)) for n in range(100)]
    assert sorted(f.result().sequence for f in futures) == list(range(1, 101))


def test_accept_moves_a_taken_id_to_the_next_free_one(database: Database) -> None:
    same = [replace(acceptance(7, octets=b"%d" % n)) for n in range(600)]
    ids = [f.result().message_id for f in [database.writer.submit(accept, a) for a in same]]
    assert len(set(ids)) == 600


def test_the_same_mail_again_is_stored_and_marked_and_not_routed(database: Database) -> None:
    first = database.writer.submit(accept, acceptance(1)).result()
    again = database.writer.submit(accept, replace(acceptance(1), message_id=first.message_id + 5)).result()
    assert again.duplicate_of == first.message_id
    assert not again.to_route
    assert _states(database, again.message_id) == ["duplicate"]
    assert _states(database, first.message_id) == ["accepted"]


def test_the_same_mail_in_one_group_is_marked_too(database: Database) -> None:
    futures = [database.writer.submit(accept, replace(acceptance(1), message_id=9000 + n)) for n in range(50)]
    assert sum(f.result().to_route for f in futures) == 1


def test_a_third_copy_names_the_first(database: Database) -> None:
    first, _, third = (database.writer.submit(accept, acceptance(1)).result() for _ in range(3))
    assert third.duplicate_of == first.message_id


def test_a_duplicate_for_one_recipient_is_routed_for_the_other(database: Database) -> None:
    database.writer.submit(accept, acceptance(1)).result()
    to = ("info@musterstadt.example", "kita@musterstadt.example")
    both = database.writer.submit(accept, acceptance(1, to=to)).result()
    assert both.to_route
    assert _states(database, both.message_id) == ["duplicate", "accepted"]


def test_other_octets_sender_or_week_are_no_duplicate(database: Database) -> None:
    first = acceptance(1)
    database.writer.submit(accept, first).result()
    for other in (
        acceptance(1, octets=b"other"),
        acceptance(1, sender=None),
        acceptance(1, at_ms=NOW_MS + DUPLICATE_WINDOW_MS + 1),
    ):
        assert database.writer.submit(accept, other).result().duplicate_of is None


def test_one_content_is_kept_once(database: Database) -> None:
    from maild.archive.schema import content

    for _ in range(3):
        database.writer.submit(accept, acceptance(1)).result()
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(content)) == 1
        assert connection.scalar(select(func.count()).select_from(messages)) == 3
