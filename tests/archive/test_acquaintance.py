from __future__ import annotations

import pytest

from maild.archive.acquaintance import MOST, letters_before
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.mail.ids import message_id_at
from maild.policy.visible import NOTHING, OPERATOR, Visible
from tests.archive.samples import NOW_MS, acceptance, filing

PETRA = "petra@citizen.example"
LATER = message_id_at(NOW_MS + 1_000, 1)


def visible(*teams: str) -> Visible:
    return Visible(teams=frozenset(teams))


def put(database: Database, number: int, *teams: str, author: str = PETRA, direction: str = "in") -> int:
    message_id = database.writer.submit(accept, acceptance(number, direction=direction)).result().message_id
    filed = filing(message_id, author=author, teams=teams or ("kita",), direction=direction)
    database.writer.submit(file, filed).result()
    return message_id


def count(database: Database, sees: Visible, message_id: int = LATER, mail: str = PETRA) -> int:
    with database.read() as connection:
        return letters_before(connection, visible=sees, from_mail=mail, message_id=message_id)


def test_only_earlier_letters_from_outside_of_that_address_are_counted(database: Database) -> None:
    ids = [put(database, number) for number in range(1, 4)]
    put(database, 4, author="paul@citizen.example")
    put(database, 5, direction="out")
    assert [count(database, visible("kita"), number) for number in (*ids, LATER)] == [0, 1, 2, 3]
    assert count(database, visible("kita"), mail="") == 0


@pytest.mark.parametrize(
    ("sees", "expected"),
    [
        (NOTHING, 0),
        (visible("mitglieder"), 0),
        (visible("kita"), 2),
        (visible("bauamt"), 3),
        (visible("kita", "bauamt"), 4),
        (OPERATOR, 4),
    ],
)
def test_only_letters_in_inboxes_that_the_asker_may_see_are_counted_each_once(
    database: Database, sees: Visible, expected: int
) -> None:
    for number, teams in enumerate((("kita",), ("bauamt",), ("kita", "bauamt"), ("bauamt",)), start=1):
        put(database, number, *teams)
    assert count(database, sees) == expected


def test_the_count_ends_where_nobody_counts_any_more(database: Database) -> None:
    for number in range(1, MOST + 4):
        put(database, number)
    assert count(database, visible("kita")) == MOST + 1
