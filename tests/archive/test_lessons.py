from __future__ import annotations

from typing import Any

from sqlalchemy import select

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.lessons import Learnt, Taught, learnt, waiting_lessons
from maild.archive.schema_senders import lessons
from tests.archive.handled import act_on
from tests.archive.samples import acceptance, filing


def put(database: Database, number: int, direction: str = "in", **how: Any) -> int:
    """File a letter; returns the id of its conversation."""
    accepted = database.writer.submit(accept, acceptance(number, direction=direction)).result()
    filed = database.writer.submit(file, filing(accepted.message_id, direction=direction, **how)).result()
    assert filed is not None
    return filed.conversation_id


def change(database: Database, conversation_id: int, state: str, *, at_ms: int = 1, team: str = "poststelle") -> None:
    assert act_on(database, conversation_id, team, at_ms=at_ms, state=state, taught=Taught("petra", at_ms))


def waiting(database: Database) -> list[tuple[int, bool]]:
    with database.read() as connection:
        return [(lesson.message_id, lesson.spam) for lesson in waiting_lessons(connection, 100)]


def test_what_becomes_spam_and_what_leaves_it_is_a_lesson_and_nothing_else_is(database: Database) -> None:
    number = put(database, 1)
    for state in ("waiting", "closed", "open"):
        change(database, number, state)
    assert waiting(database) == []
    change(database, number, "spam")
    assert waiting(database) == [(number, True)]
    change(database, number, "closed", at_ms=2)
    assert waiting(database) == [(number, False)]


def test_nothing_is_recorded_where_nobody_learns(database: Database) -> None:
    number = put(database, 1)
    assert act_on(database, number, "poststelle", state="spam")
    assert waiting(database) == []


def test_letters_from_outside_are_lessons_and_those_of_other_teams_and_ours_are_not(database: Database) -> None:
    first = put(database, 1, key="a@x")
    second = put(database, 2, key="b@x", refers=("a@x",))
    put(database, 3, key="c@x", refers=("a@x",), direction="out")
    put(database, 4, key="d@x", refers=("a@x",), teams=("kita",))
    assert first == second
    change(database, first, "spam")
    assert len(waiting(database)) == 2


def test_of_a_long_conversation_the_newest_letters_are_lessons(database: Database) -> None:
    first = put(database, 1, key="1@x")
    for number in range(2, 26):
        put(database, number, key=f"{number}@x", refers=("1@x",))
    change(database, first, "spam")
    found = waiting(database)
    assert len(found) == 20
    assert first not in dict(found)


def test_a_lesson_is_done_once_and_the_latest_word_counts(database: Database) -> None:
    number = put(database, 1)
    change(database, number, "spam", at_ms=10)
    change(database, number, "open", at_ms=20)
    assert database.writer.submit(learnt, Learnt(number, made_ms=10, at_ms=30)).result() is False
    assert waiting(database) == [(number, False)]
    assert database.writer.submit(learnt, Learnt(number, made_ms=20, at_ms=30)).result() is True
    assert waiting(database) == []
    change(database, number, "spam", at_ms=40)
    assert len(waiting(database)) == 1
    with database.read() as connection:
        row = connection.execute(select(lessons)).one()
    assert (row.spam, row.taught_by, row.made_ms, row.done_ms) == (1, "petra", 40, None)
