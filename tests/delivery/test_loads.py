"""What a worker reads of the archive for its couriers."""

from __future__ import annotations

from sqlalchemy import Connection

from maild.archive.database import Database
from maild.delivery.deliveries import COPY, SMTP, Delivery
from maild.delivery.loads import Loads
from maild.delivery.outcome import Result
from maild.delivery.queue.claiming import Claim, claim
from maild.delivery.queue.messages import Leaving
from maild.errors import NotFoundError
from tests.archive.samples import NOW_MS
from tests.delivery.post import LETTER, out

HEAD = b"From: office@musterstadt.example\r\n\r\n"
_BODY_AT = LETTER.index(b"\r\n\r\n") + 4


class Members:
    """Writes heads of copies, until somebody takes the right away."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.withdrawn = False

    def head(self, _connection: Connection, found: Delivery, _message: Leaving, _first: bytes) -> tuple[bytes, int]:
        self.asked.append(found.id)
        if self.withdrawn:
            raise NotFoundError("withdrawn")
        return HEAD, _BODY_AT


def _claimed(database: Database) -> list[tuple[Delivery, ...]]:
    asked = Claim(now_ms=NOW_MS, lease_ms=NOW_MS + 1_000_000, loads=10, per_hop=10)
    return list(database.writer.submit(claim, asked).result().loads)


async def test_whether_a_copy_may_go_is_asked_when_it_goes_and_not_when_others_are_read_ahead(
    sqlite_database: Database,
) -> None:
    out(sqlite_database, ("kira@home.example",), kind=COPY)
    out(sqlite_database, kind=SMTP, number=2)
    members = Members()
    loads = Loads(sqlite_database, hostname="mx.musterstadt.example", head_of_copy=members.head)
    copy, letter = _claimed(sqlite_database)
    loads.prepare([copy, letter])
    read, _ = await loads.load(letter)
    assert read is not None
    assert members.asked == []
    members.withdrawn = True
    read, outcomes = await loads.load(copy)
    assert read is None
    assert [each.result for each in outcomes.values()] == [Result.HELD]


async def test_a_copy_is_its_own_header_and_the_rest_of_the_letter_whatever_its_size(sqlite_database: Database) -> None:
    body = b"0123456789abcde\r\n" * 40_000  # more than one piece of the archive
    out(sqlite_database, ("kira@home.example",), kind=COPY, octets=LETTER[:_BODY_AT] + body)
    loads = Loads(sqlite_database, hostname="mx.musterstadt.example", head_of_copy=Members().head)
    (copy,) = _claimed(sqlite_database)
    read, _ = await loads.load(copy)
    assert read is not None
    octets = b"".join([piece async for piece in read.pieces()])
    assert octets == HEAD + body
    assert read.shape.size == len(octets)
