"""What a team's work comes to: counted from the archive, for those who may read the team."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, update

from maild.archive import figures
from maild.archive.accounts import Disabling, NewGrant, NewUser, add_grants, add_users, disable_users
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.figures import Period, rank
from maild.archive.filing import Filed, file
from maild.archive.schema import entries
from maild.archive.schema_outgoing import outgoing, returns
from maild.errors import NotFoundError
from maild.policy.roles import Role
from maild.policy.visible import Visible
from tests.archive.samples import NOW_MS, acceptance, filing

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KITA = Visible(teams=frozenset({"kita"}))
MAX = "max@citizen.example"


class _Desk:
    """Letters and answers of a team, at times counted in hours from the beginning."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._number = 0
        self.since_ms = NOW_MS - NOW_MS % DAY_MS

    def letter(self, at_h: float, key: str, *, to: tuple[str, ...] = ("kita@a.example",), **how: Any) -> Filed:
        usual: dict[str, Any] = {"author": MAX, "teams": ("kita",), "people": (MAX,)}
        return self._file(at_h, to, "in", key=key, **(usual | how))

    def answer(self, at_h: float, to_key: str, *, team: str = "kita", kind: str = "answer", **how: Any) -> Filed:
        usual: dict[str, Any] = {"author": "kita@a.example", "teams": ("kita",), "people": (MAX,)}
        sent = self._file(at_h, (MAX,), "out", refers=(to_key,), **(usual | how))
        with self._database.writing.begin() as connection:
            row = {"message_id": sent.message_id, "kind": kind, "team": team, "author": "kira"}
            connection.execute(insert(outgoing).values(row))
        return sent

    def came_back(self, at_h: float, **values: Any) -> None:
        self._number += 1
        row = {
            "report_id": self.letter(at_h, f"report{self._number}", automatic=2).message_id, "position": 0,
            "recipient": MAX, "about_id": None, "delivery_id": None, "team": "kita", "action": "failed",
            "code": "5.1.1", "hard": 1, "reason": "user-unknown", "text": "", "mailing": "",
            "at_ms": self.since_ms + int(at_h * HOUR_MS),
        }  # fmt: skip
        with self._database.writing.begin() as connection:
            connection.execute(insert(returns).values(row | values))

    def _file(self, at_h: float, to: tuple[str, ...], direction: str, **how: Any) -> Filed:
        self._number += 1
        at_ms = self.since_ms + int(at_h * HOUR_MS)
        asked = acceptance(self._number, direction=direction, to=to, at_ms=at_ms)
        message_id = self._database.writer.submit(accept, asked).result().message_id
        filed = self._database.writer.submit(
            file, filing(message_id, direction=direction, reference_bits=self._number, **how)
        ).result()
        assert filed is not None
        return filed

    def days(self, many: int, visible: Visible = KITA, **how: Any) -> tuple[Period, ...]:
        edges = [self.since_ms + number * DAY_MS for number in range(many + 1)]
        with self._database.read() as connection:
            return figures.periods(connection, visible=visible, team="kita", edges_ms=edges, **how)

    def ask(self, question: Any, **how: Any) -> Any:
        with self._database.read() as connection:
            return question(connection, visible=KITA, team="kita", **how)


@pytest.fixture
def desk(database: Database) -> _Desk:
    return _Desk(database)


def test_letters_and_answers_are_counted_on_the_day_of_each(desk: _Desk) -> None:
    desk.letter(1, "a@x")
    desk.letter(23.99, "b@x")
    desk.letter(24, "c@x")
    desk.letter(25, "news@x", automatic=3)
    desk.answer(30, "a@x")
    desk.answer(47, "a@x")  # a second one to the same letter
    desk.answer(30, "c@x", kind="automatic")
    desk.answer(31, "c@x", kind="forward")
    first, second = desk.days(2)
    assert (first.received, first.automatic, first.answered) == (2, 0, 0)
    assert (second.received, second.automatic, second.answered) == (1, 1, 2)


def test_the_first_answer_alone_is_timed_from_the_first_letter(desk: _Desk) -> None:
    desk.letter(1, "a@x")
    desk.letter(3, "a2@x", refers=("a@x",))
    desk.answer(6, "a@x")
    desk.answer(9, "a2@x")
    desk.letter(2, "b@x")
    desk.answer(26, "b@x")
    first, second = desk.days(2)
    assert first.first_answers_ms == (5 * HOUR_MS,)
    assert second.first_answers_ms == (24 * HOUR_MS,)
    assert (second.median_ms, second.slow_ms) == (24 * HOUR_MS, 24 * HOUR_MS)


def test_what_another_team_answered_is_not_this_teams_answer(desk: _Desk) -> None:
    desk.letter(1, "a@x", teams=("kita", "bauamt"))
    desk.answer(5, "a@x", team="bauamt", teams=("kita", "bauamt"))
    (day,) = desk.days(1)
    assert (day.received, day.answered, day.first_answers_ms) == (1, 0, ())


def test_what_we_began_has_no_first_answer(desk: _Desk) -> None:
    desk.answer(1, "nothing@x", kind="new", key="own@x")
    desk.letter(2, "a@x", refers=("own@x",))
    desk.answer(4, "a@x")
    (day,) = desk.days(1)
    assert (day.received, day.first_answers_ms) == (1, (2 * HOUR_MS,))


def test_spam_counts_for_nothing(desk: _Desk, database: Database) -> None:
    spam = desk.letter(1, "a@x")
    with database.writing.begin() as connection:
        connection.execute(
            update(entries).where(entries.c.conversation_id == spam.conversation_id).values(state="spam")
        )
    assert desk.days(1) == (Period(),)


def test_an_address_has_its_own_letters_and_the_answers_to_them(desk: _Desk) -> None:
    desk.letter(1, "a@x", to=("kita@a.example",))
    desk.letter(2, "b@x", to=("krippe@a.example", "kita+neu@a.example"))
    desk.answer(3, "a@x")
    desk.answer(5, "b@x")
    (day,) = desk.days(1, keys={"krippe@a.example"})
    assert (day.received, day.answered, day.first_answers_ms) == (1, 1, (3 * HOUR_MS,))
    span = {"since_ms": desk.since_ms, "until_ms": desk.since_ms + DAY_MS}
    assert desk.ask(figures.by_address, **span) == {
        "kita@a.example": 1, "krippe@a.example": 1, "kita+neu@a.example": 1,
    }  # fmt: skip


def test_open_conversations_are_counted_by_how_long_they_wait(desk: _Desk) -> None:
    for number, days in enumerate((0.5, 2, 5, 20, 29, 40)):
        desk.letter(-days * 24, f"k{number}@x", to=("kita@a.example" if days < 6 else "krippe@a.example",))
    desk.letter(-100, "done@x", state="closed")
    assert desk.ask(figures.open_by_age, now_ms=desk.since_ms) == (1, 1, 1, 2, 1)
    assert desk.ask(figures.open_by_age, now_ms=desk.since_ms, keys={"krippe@a.example"}) == (0, 0, 0, 2, 1)


def test_tags_are_counted_by_conversation(desk: _Desk) -> None:
    desk.letter(1, "a@x", tags=("eilt",))
    desk.letter(2, "a2@x", refers=("a@x",), tags=("eilt",))
    desk.letter(3, "b@x", tags=("eilt", "umzug"))
    span = {"since_ms": desk.since_ms, "until_ms": desk.since_ms + DAY_MS}
    assert desk.ask(figures.by_tag, **span) == (("eilt", 2), ("umzug", 1))
    assert desk.ask(figures.by_tag, since_ms=desk.since_ms - DAY_MS, until_ms=desk.since_ms) == ()


def test_returned_mail_is_counted_where_the_team_sent_it(desk: _Desk) -> None:
    sent = desk.answer(1, "x@x", kind="new")
    desk.came_back(2)
    desk.came_back(3, team="bauamt")
    desk.came_back(4, action="delayed")
    desk.came_back(30, about_id=sent.message_id)
    assert [day.returned for day in desk.days(2)] == [1, 1]
    assert [day.returned for day in desk.days(2, keys={"kita@a.example"})] == [0, 1]


def test_spans_are_counted_each_for_itself(desk: _Desk) -> None:
    desk.letter(1, "a@x")
    desk.letter(30, "b@x")
    day, nothing = (desk.since_ms, desk.since_ms + DAY_MS), (desk.since_ms - DAY_MS, desk.since_ms)
    both = (desk.since_ms, desk.since_ms + 2 * DAY_MS)
    assert desk.ask(figures.received, spans_ms=[day, nothing, both]) == (1, 0, 2)


def test_who_may_not_read_the_team_gets_no_figure(desk: _Desk, database: Database) -> None:
    desk.letter(1, "a@x")
    hidden = Visible(teams=frozenset({"bauamt"}))
    span: dict[str, Any] = {"since_ms": 0, "until_ms": NOW_MS}
    asked: tuple[tuple[Any, dict[str, Any]], ...] = (
        (figures.periods, {"edges_ms": (0, NOW_MS)}), (figures.received, {"spans_ms": [(0, NOW_MS)]}),
        (figures.first_answers, span), (figures.by_tag, span),
        (figures.by_address, span), (figures.open_by_age, {"now_ms": NOW_MS}),
    )  # fmt: skip
    with database.read() as connection:
        for question, how in asked:
            with pytest.raises(NotFoundError):
                question(connection, visible=hidden, team="kita", **how)


def test_people_who_write_in_a_team_are_counted_each_once(database: Database) -> None:
    granted: dict[str, list[tuple[Role, str | None]]] = {
        "kira": [(Role.RESPONDER, "kita"), (Role.DRAFTER, "kita")],
        "jon": [(Role.COORDINATOR, "jugend")],
        "leser": [(Role.READER, "kita")],
        "weg": [(Role.RESPONDER, "kita")],
        "admin": [(Role.ADMINISTRATOR, None)],
    }
    for login, roles in granted.items():
        new = NewUser(login=login, name="", mail=None, password=None, created_ms=0)
        database.writer.submit(add_users, new).result()
        for role, team in roles:
            grant = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="x")
            database.writer.submit(add_grants, grant).result()
    database.writer.submit(disable_users, Disabling(login="weg", disabled_ms=1)).result()
    with database.read() as connection:
        found = figures.writers(connection, {"jugend": None, "kita": "jugend"}, NOW_MS)
        assert connection.scalar(select(entries.c.team)) is None
    assert (found["kita"], found["jugend"]) == (2, 1)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [((), 50, None), ((7,), 50, 7), ((1, 2), 50, 1), ((1, 2, 3), 50, 2), (tuple(range(1, 11)), 90, 9),
     (tuple(range(1, 12)), 90, 10), ((4, 9), 90, 9)],
)  # fmt: skip
def test_a_rank_is_the_least_value_that_so_many_do_not_exceed(
    values: tuple[int, ...], percent: int, expected: int | None
) -> None:
    assert rank(values, percent) == expected
