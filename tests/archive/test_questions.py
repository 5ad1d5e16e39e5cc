"""Questions: one shape compiled once, values by name, lists of any length, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Select, bindparam, event, insert, select

from maild.archive.allowed import allowed
from maild.archive.database import Database
from maild.archive.questions import Question, Sight
from maild.archive.schema import tags
from maild.policy.visible import NOTHING, OPERATOR, Visible

ROWS = [(number, team, f"t{number}") for number in range(1, 41) for team in ("kita", "bauamt")]


@pytest.fixture
def filled(database: Database) -> Database:
    with database.writing.begin() as connection:
        connection.execute(insert(tags), [{"conversation_id": n, "team": team, "tag": tag} for n, team, tag in ROWS])
    return database


def _of(sight: Sight, newest_first: bool) -> Select[Any]:
    found = select(tags.c.conversation_id, tags.c.team, tags.c.tag).where(
        allowed(tags.c.team, sight), tags.c.conversation_id.in_(bindparam("ids", expanding=True)), tags.c.tag != "t3"
    )
    return found.order_by(tags.c.conversation_id.desc() if newest_first else tags.c.conversation_id, tags.c.team)


@pytest.mark.parametrize("many", [0, 1, 2, 4, 5, 17, 40])
@pytest.mark.parametrize("teams", [(), ("kita",), ("kita", "bauamt")])
def test_a_question_finds_what_lists_of_any_length_name_and_its_asker_may_see(
    filled: Database, many: int, teams: tuple[str, ...]
) -> None:
    question, ids = Question(_of), range(1, many + 1)
    with filled.read() as connection:
        for newest_first in (False, True, False):
            visible = Visible(teams=frozenset(teams))
            found = question.rows(connection, visible, newest_first, ids=tuple(ids))
            wanted = {(n, team, f"t{n}") for n in ids for team in teams if n != 3}
            assert set(found) == wanted
            assert [row.conversation_id for row in found] == sorted((n for n, _, _ in wanted), reverse=newest_first)


def test_a_question_does_not_answer_one_asker_with_what_another_may_see(filled: Database) -> None:
    question = Question(_of)
    with filled.read() as connection:
        for visible, count in ((OPERATOR, 2), (NOTHING, 0), (Visible(teams=frozenset({"kita"})), 1), (OPERATOR, 2)):
            assert len(question.rows(connection, visible, False, ids=(5,))) == count
        assert question.scalar(connection, NOTHING, False, ids=(5,)) is None
        assert question.scalars(connection, OPERATOR, False, ids=(5,)) == [5, 5]


def test_a_list_whose_lengths_are_given_in_another_order_is_not_taken_for_another(filled: Database) -> None:
    question = Question(
        lambda: select(tags.c.tag).where(
            tags.c.team.in_(bindparam("teams", expanding=True)), tags.c.tag.in_(bindparam("names", expanding=True))
        )
    )
    with filled.read() as connection:
        one = question.scalars(connection, teams=("kita",), names=("t1", "t2", "t4", "t5"))
        other = question.scalars(connection, names=("t1",), teams=("kita", "bauamt", "a", "b"))
    assert (sorted(one), other) == (["t1", "t2", "t4", "t5"], ["t1", "t1"])


def test_who_listens_to_a_connection_hears_its_questions(filled: Database) -> None:
    heard: list[str] = []
    with filled.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: heard.append(said[2]))
        Question(_of).rows(connection, OPERATOR, False, ids=(1,))
    assert len(heard) == 1
    assert heard[0].startswith("SELECT")
