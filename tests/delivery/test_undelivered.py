"""What will not arrive comes back to people's eyes, in the transaction that records it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.lists import inbox
from maild.archive.schema import entries
from maild.archive.schema_outgoing import outgoing
from maild.delivery.outcome import Outcome, Result
from maild.delivery.queue.carrying import finish
from maild.delivery.queue.claiming import Claim, claim
from maild.delivery.queue.listing import failed_letters
from maild.delivery.queue.working import End
from maild.policy.visible import OPERATOR, Visible
from tests.archive.samples import NOW_MS, acceptance, filing
from tests.delivery.post import out


def _left(database: Database, state: str, kind: str) -> int:
    message_id = out(database)
    item = filing(message_id, direction="out", teams=("kita", "bauamt"), automatic=0)
    database.writer.submit(file, item).result()
    with database.writing.begin() as connection:
        connection.execute(update(outgoing).values(kind=kind))
        connection.execute(update(entries).values(state=state, seen_ms=1))
    return message_id


def _ends(database: Database, result: Result, at_ms: int = NOW_MS) -> None:
    asked = Claim(now_ms=NOW_MS, lease_ms=NOW_MS + 1, loads=1, per_hop=1)
    ((delivery,),) = database.writer.submit(claim, asked).result().loads
    outcome = Outcome(result=result, reply="550 5.1.1 no such user", host="mx", stage="rcpt")
    end = End(delivery=delivery, outcome=outcome, started_ms=NOW_MS, at_ms=at_ms, jitter=0.5)
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


def test_an_entry_rises_above_newer_ones_when_a_letter_of_ours_will_not_arrive(database: Database) -> None:
    failing = _left(database, "closed", "answer")
    later: list[int] = []
    for number in range(3):
        letter = acceptance(100 + number, at_ms=NOW_MS + 60_000 * (number + 1))
        message_id = database.writer.submit(accept, letter).result().message_id
        database.writer.submit(file, filing(message_id, teams=("kita",))).result()
        later.insert(0, message_id)
    _ends(database, Result.FAILED, at_ms=NOW_MS + 10 * 60_000)

    def listed(before: int | None = None, limit: int = 2) -> tuple[list[int], int | None]:
        with database.read() as connection:
            page = inbox(connection, visible=OPERATOR, team="kita", before=before, limit=limit)
        return [row.newest_id for row in page.rows], page.older

    first, older = listed()
    assert first == [failing, later[0]]
    assert listed(older) == (later[1:], None)
    assert listed(limit=9)[0] == [failing, *later]
    with database.read() as connection:
        assert failed_letters(connection, visible=OPERATOR) == 1
        assert failed_letters(connection, visible=Visible(teams=frozenset({"elsewhere"}))) == 0
