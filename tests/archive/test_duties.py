"""Duties: recorded with the filing, once; read by those who may; ended by a person or by what carries them out."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from maild.archive import duties
from maild.archive.accounts import Disabling, NewGrant, NewUser, add_grants, add_users, disable_users
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.duties import Ending, RecordedDuty, Release
from maild.archive.filing import Filed, file
from maild.archive.lists import inbox
from maild.archive.schema import entries
from maild.errors import MaildError, NotFoundError
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR, Visible
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS, acceptance, filing

TEAM = "poststelle"
HOLD = Duty(TEAM, "hold", "Vorsicht", "h")
FORWARD = Duty(TEAM, "forward", "rat@kreis.example", "f")
ACKNOWLEDGE = Duty(TEAM, "acknowledge", "eingang", "")
READER = Visible(teams=frozenset({TEAM}))
STRANGER = Visible(teams=frozenset({"kita"}))


def _file(
    database: Database, number: int, *asked: Duty, sender: str | None = "petra@citizen.example", **how: Any
) -> Filed:
    accepted = database.writer.submit(accept, acceptance(number, sender=sender)).result()
    filed = database.writer.submit(file, filing(accepted.message_id, duties=asked, **how)).result()
    assert filed is not None
    return filed


def _of(database: Database, message_id: int, visible: Visible = OPERATOR) -> tuple[RecordedDuty, ...]:
    with database.read() as connection:
        return duties.duties_of(connection, visible=visible, message_ids=[message_id]).get(message_id, ())


def _kinds(database: Database, filed: Filed) -> list[str]:
    return [duty.kind for duty in _of(database, filed.message_id)]


def _release(database: Database, message_id: int) -> int:
    change = Release(message_id=message_id, team=TEAM, by="petra", at_ms=NOW_MS + 5)
    return database.writer.submit(duties.release, change).result()


def _end(database: Database, duty_id: int, state: str) -> bool:
    change = Ending(duty_id=duty_id, state=state, by="jan", at_ms=NOW_MS + 7)
    return database.writer.submit(duties.end, change).result()


def test_duties_are_recorded_with_the_filing_and_wait(database: Database) -> None:
    found = _of(database, _file(database, 1, FORWARD, ACKNOWLEDGE).message_id)
    assert [(d.team, d.kind, d.target, d.rule) for d in found] == [FORWARD, ACKNOWLEDGE]
    assert {(d.state, d.made_ms, d.ended_ms, d.ended_by, d.held) for d in found} == {
        ("waiting", NOW_MS, None, None, False)
    }


def test_filing_a_message_again_makes_no_second_duty(database: Database) -> None:
    filed = _file(database, 1, FORWARD)
    assert database.writer.submit(file, filing(filed.message_id, duties=(FORWARD, HOLD))).result() is None
    assert _kinds(database, filed) == ["forward"]


def test_a_double_that_comes_all_the_same_is_ignored_by_the_table(database: Database) -> None:
    filed = _file(database, 1, FORWARD)
    _end(database, _of(database, filed.message_id)[0].id, "done")
    item = filing(filed.message_id, duties=(FORWARD._replace(rule="other"), HOLD))

    def again(connection: Any, arguments: list[Any]) -> list[None]:
        duties.record(connection, arguments, {filed.message_id: filed.conversation_id})
        return [None]

    database.writer.submit(again, item).result()
    found = _of(database, filed.message_id)
    assert [(duty.kind, duty.rule, duty.state) for duty in found] == [
        ("forward", "f", "done"),
        ("hold", "h", "waiting"),
    ]


def test_a_sender_is_told_once_in_a_conversation_that_his_letters_have_come(database: Database) -> None:
    first = _file(database, 1, ACKNOWLEDGE, key="a@c.example")
    again = _file(database, 2, ACKNOWLEDGE, refers=("a@c.example",), sender="Petra@citizen.example")
    assert again.conversation_id == first.conversation_id
    assert (_kinds(database, first), _kinds(database, again)) == (["acknowledge"], [])
    other = _file(
        database, 3, ACKNOWLEDGE, refers=("a@c.example",), sender="paul@citizen.example"
    )  # of the same conversation
    assert other.conversation_id == first.conversation_id
    elsewhere = _file(database, 4, ACKNOWLEDGE)
    words = _file(database, 5, ACKNOWLEDGE._replace(target="frist"), refers=("a@c.example",))
    assert [_kinds(database, each) for each in (other, elsewhere, words)] == [["acknowledge"]] * 3


def test_letters_of_one_group_are_acknowledged_once(database: Database) -> None:
    ids = [database.writer.submit(accept, acceptance(n)).result().message_id for n in (1, 2)]
    work = [
        filing(ids[0], key="a@c.example", duties=(ACKNOWLEDGE,)),
        filing(ids[1], refers=("a@c.example",), duties=(ACKNOWLEDGE, ACKNOWLEDGE._replace(team="kita"))),
    ]
    filed = database.writer.submit(lambda connection, items: [list(file(connection, items[0]))], work).result()
    assert [len(_of(database, number)) for number in ids] == [1, 0]
    assert len({each.conversation_id for each in filed if each is not None}) == 1


def test_nobody_is_answered_at_the_null_reverse_path(database: Database) -> None:
    assert _kinds(database, _file(database, 1, ACKNOWLEDGE, sender=None)) == []


def test_what_a_team_holds_back_waits_until_it_is_released(database: Database) -> None:
    filed = _file(database, 1, HOLD, FORWARD, Duty("kita", "forward", "x@y.example", "f"), teams=(TEAM, "kita"))
    hold, ours, theirs = _of(database, filed.message_id)
    assert (hold.held, ours.held, theirs.held) == (False, True, False)
    with pytest.raises(MaildError, match="before it is released"):
        _end(database, ours.id, "done")
    with pytest.raises(MaildError, match="release it"):
        _end(database, hold.id, "dropped")
    assert _release(database, filed.message_id) == 1
    assert _release(database, filed.message_id) == 0, "somebody was quicker"
    hold, ours, _ = _of(database, filed.message_id)
    assert (hold.state, hold.ended_by, hold.ended_ms) == ("done", "petra", NOW_MS + 5)
    assert (ours.state, ours.held) == ("waiting", False)


def test_a_duty_is_ended_once_and_stays_in_the_book(database: Database) -> None:
    filed = _file(database, 1, FORWARD, ACKNOWLEDGE)
    forward, acknowledge = (duty.id for duty in _of(database, filed.message_id))
    assert (_end(database, forward, "done"), _end(database, forward, "dropped")) == (True, False)
    assert _end(database, acknowledge, "dropped")
    assert [(d.state, d.ended_by, d.ended_ms) for d in _of(database, filed.message_id)] == [
        ("done", "jan", NOW_MS + 7),
        ("dropped", "jan", NOW_MS + 7),
    ]
    with pytest.raises(NotFoundError):
        _end(database, 4711, "done")


def test_held_mail_is_dropped_duty_by_duty_and_the_hold_last(database: Database) -> None:
    filed = _file(database, 1, HOLD, FORWARD)
    hold, forward = (duty.id for duty in _of(database, filed.message_id))
    assert _end(database, forward, "dropped")
    assert _end(database, hold, "dropped")


def test_only_duties_of_visible_teams_are_read(database: Database) -> None:
    filed = _file(database, 1, HOLD, Duty("kita", "forward", "x@y.example", "f"), teams=(TEAM, "kita"))
    assert [d.team for d in _of(database, filed.message_id, STRANGER)] == ["kita"]
    number = _of(database, filed.message_id, READER)[0].id
    with database.read() as connection:
        assert duties.duty(connection, visible=READER, duty_id=number).kind == "hold"
        with pytest.raises(NotFoundError):
            duties.duty(connection, visible=STRANGER, duty_id=number)
        assert [d.kind for d in duties.waiting_duties(connection, visible=STRANGER, limit=9)] == ["forward"]
        assert duties.waiting_duty_counts(connection, visible=STRANGER) == {"forward": 1}
        assert duties.waiting_duty_counts(connection, visible=OPERATOR) == {"forward": 1, "hold": 1}
        ask: dict[str, Any] = {"team": TEAM, "conversation_ids": [filed.conversation_id]}
        assert duties.held_conversations(connection, visible=READER, **ask) == {filed.conversation_id}
        assert duties.held_conversations(connection, visible=STRANGER, **ask) == frozenset()


def test_the_queue_is_read_in_pages_and_without_what_has_ended(database: Database) -> None:
    numbers = [_of(database, _file(database, n, FORWARD).message_id)[0].id for n in range(3)]
    _end(database, numbers[0], "done")
    with database.read() as connection:
        first = duties.waiting_duties(connection, visible=OPERATOR, limit=1)
        assert [d.id for d in first] == [numbers[1]]
        rest = duties.waiting_duties(connection, visible=OPERATOR, limit=9, after=first[0].id)
        assert [d.id for d in rest] == [numbers[2]]
        assert duties.waiting_duties(connection, visible=OPERATOR, limit=9, kinds=["hold"]) == []


def test_a_held_letter_opens_its_conversation_again_and_marks_it_in_the_list(database: Database) -> None:
    first = _file(database, 1, key="a@c.example", state="closed")
    held = _file(database, 2, HOLD, refers=("a@c.example",), automatic=1)
    assert held.conversation_id == first.conversation_id

    def listed() -> list[bool]:
        with database.read() as connection:
            return [row.held for row in inbox(connection, visible=READER, team=TEAM).rows]

    assert listed() == [True]
    _release(database, held.message_id)
    assert listed() == [False]


# --- assigning ----------------------------------------------------------------------------------------------


def _person(database: Database, role: Role | None, team: str | None = TEAM, *, until_ms: int | None = None) -> int:
    new = NewUser(login="eva", name="", mail=None, password=None, created_ms=1)
    user_id = database.writer.submit(add_users, new).result()
    if role is not None:
        grant = NewGrant(login="eva", role=role, team=team, from_ms=0, until_ms=until_ms, granted_by="test")
        database.writer.submit(add_grants, grant).result()
    return user_id


def _assigned(database: Database, number: int = 1, **how: Any) -> tuple[str, int | None]:
    filed = _file(database, number, Duty(TEAM, "assign", "eva", "a"), parents=((TEAM, "rathaus"),), **how)
    with database.read() as connection:
        assignee = connection.scalar(
            select(entries.c.assignee).where(entries.c.conversation_id == filed.conversation_id, entries.c.team == TEAM)
        )
    return _of(database, filed.message_id)[0].state, assignee


@pytest.mark.parametrize("team", [TEAM, "rathaus"])
def test_who_may_answer_there_gets_what_is_assigned_at_once(database: Database, team: str) -> None:
    user_id = _person(database, Role.RESPONDER, team)
    assert _assigned(database) == ("done", user_id)


@pytest.mark.parametrize(
    ("role", "team", "until_ms"),
    [(None, None, None), (Role.DRAFTER, TEAM, None), (Role.RESPONDER, "kita", None), (Role.RESPONDER, TEAM, NOW_MS)],
)
def test_who_may_not_answer_there_gets_nothing_and_the_duty_waits(
    sqlite_database: Database, role: Role | None, team: str | None, until_ms: int | None
) -> None:
    _person(sqlite_database, role, team, until_ms=until_ms)
    assert _assigned(sqlite_database) == ("waiting", None)


def test_an_account_that_is_closed_or_was_never_opened_gets_nothing(sqlite_database: Database) -> None:
    assert _assigned(sqlite_database) == ("waiting", None)
    _person(sqlite_database, Role.RESPONDER)
    sqlite_database.writer.submit(disable_users, Disabling(login="eva", disabled_ms=5)).result()
    assert _assigned(sqlite_database, 2) == ("waiting", None)


def test_who_has_a_conversation_in_hand_keeps_it(database: Database) -> None:
    user_id = _person(database, Role.RESPONDER)
    assert _assigned(database, key="a@c.example") == ("done", user_id)
    other = database.writer.submit(
        add_users, NewUser(login="jan", name="", mail=None, password=None, created_ms=1)
    ).result()
    with database.writing.begin() as connection:
        connection.execute(entries.update().values(assignee=other))
    assert _assigned(database, 2, refers=("a@c.example",)) == ("dropped", other)
