"""What will not arrive comes back to people's eyes, in the transaction that records it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.schema import entries
from maild.archive.schema_outgoing import outgoing
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.carrying import finish
from maild.delivery.queue.working import Claim, End, claim
from tests.archive.samples import NOW_MS, filing
from tests.delivery.post import out


def _left(database: Database, state: str, kind: str) -> int:
    message_id = out(database)
    item = filing(message_id, direction="out", teams=("kita", "bauamt"), automatic=0)
    database.writer.submit(file, item).result()
    with database.writing.begin() as connection:
        connection.execute(update(outgoing).values(kind=kind))
        connection.execute(update(entries).values(state=state, seen_ms=1))
    return message_id


def _ends(database: Database, result: Result) -> None:
    asked = Claim(now_ms=NOW_MS, lease_ms=NOW_MS + 1, loads=1, per_hop=1)
    ((delivery,),) = database.writer.submit(claim, asked).result().loads
    outcome = Outcome(result=result, reply="550 5.1.1 no such user", host="mx", stage="rcpt")
    end = End(delivery=delivery, outcome=outcome, started_ms=NOW_MS, at_ms=NOW_MS, jitter=0.5)
    database.writer.submit(finish, end).result()


@pytest.mark.parametrize(
    ("state", "kind", "result", "after"),
    [
        ("closed", "answer", Result.FAILED, ("open", None)),
        ("waiting", "new", Result.FAILED, ("open", None)),
        ("spam", "answer", Result.FAILED, ("spam", None)),
        ("closed", "answer", Result.DEFERRED, ("closed", 1)),
        ("closed", "answer", Result.DELIVERED, ("closed", 1)),
        ("closed", "automatic", Result.FAILED, ("closed", 1)),
    ],
)
def test_an_entry_opens_again_when_a_letter_of_ours_will_not_arrive(
    database: Database, state: str, kind: str, result: Result, after: tuple[str, int | None]
) -> None:
    _left(database, state, kind)
    _ends(database, result)
    with database.read() as connection:
        found = connection.execute(select(entries.c.team, entries.c.state, entries.c.seen_ms)).all()
    assert sorted(tuple(row) for row in found) == [("bauamt", *after), ("kita", *after)]
