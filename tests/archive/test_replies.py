from __future__ import annotations

import pytest
from sqlalchemy import update

from maild.archive.as_read import Question
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.received import received
from maild.archive.replies import replies
from maild.archive.schema import messages
from tests.archive.samples import NOW_MS, acceptance, filing

PETRA, EVE = "petra@citizen.example", "eve@evil.example"


def put(database: Database, number: int, *, key: str, refers: tuple[str, ...] = (), author: str = PETRA) -> int:
    message_id = database.writer.submit(accept, acceptance(number)).result().message_id
    database.writer.submit(file, filing(message_id, key=key, refers=refers, author=author)).result()
    return message_id


@pytest.mark.parametrize(
    ("author", "ours", "references", "expected"),
    [
        (PETRA, False, ("first@citizen.example",), True),
        (PETRA, False, ("unknown@x.example", "first@citizen.example"), True),
        (PETRA, False, ("unknown@x.example",), False),
        (PETRA, False, ("named@x.example",), False),  # referred to, and never seen here
        (EVE, False, ("first@citizen.example",), False),  # only knows of the letter
        ("", False, ("first@citizen.example",), False),
        (EVE, True, ("first@citizen.example",), True),  # written here
    ],
)
def test_a_reply_refers_to_a_letter_that_its_author_had_part_in(
    database: Database, author: str, ours: bool, references: tuple[str, ...], expected: bool
) -> None:
    put(database, 1, key="first@citizen.example", refers=("named@x.example",))
    with database.read() as connection:
        assert replies(connection, [Question(7, author, ours, references)]) == {7: expected}


def test_nobody_asks_and_nobody_is_answered(database: Database) -> None:
    with database.read() as connection:
        assert replies(connection, []) == {}


def test_archived_mail_tells_whether_it_joined_an_older_conversation(database: Database) -> None:
    first = put(database, 1, key="a@c.example")
    answer = put(database, 2, key="b@c.example", refers=("a@c.example",))
    unfiled = database.writer.submit(accept, acceptance(3)).result().message_id
    with database.writing.begin() as connection:
        connection.execute(update(messages).where(messages.c.id == answer).values(envelope='{"ip": "10.0.0.1"}'))
    span = NOW_MS, NOW_MS + 1
    with database.read() as connection:
        (page,) = received(connection, *span, 10, with_replies=True)
        (unasked,) = received(connection, *span, 10)
    assert [(r.message_id, r.reply, r.peer_ip) for r in page] == [
        (first, False, None),
        (answer, True, "10.0.0.1"),
        (unfiled, None, None),
    ]
    assert {r.reply for r in unasked} == {None}
