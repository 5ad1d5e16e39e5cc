"""What colleagues do to entries: not past each other, in one transaction, audited, and undone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from maild.archive.accounts import NewUser, add_users
from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.archive.handling import (
    NOBODY,
    UNDO_MS,
    Handling,
    Undo,
    Undone,
    Work,
    Worked,
    bring_back,
    handle,
    is_due,
    since,
    undo,
    undoable,
)
from maild.archive.queries import Entry, conversation
from maild.archive.schema import conversations
from maild.archive.schema_people import audit
from maild.policy.visible import OPERATOR
from tests.archive.samples import NOW_MS, acceptance, filing


def _letter(database: Database, number: int, **how: Any) -> int:
    accepted = database.writer.submit(accept, acceptance(number)).result()
    filed = database.writer.submit(file, filing(accepted.message_id, **{"teams": ("kita",), **how})).result()
    assert filed is not None
    return filed.conversation_id


def _entry(database: Database, talk_id: int, team: str = "kita") -> Entry:
    with database.read() as connection:
        reference = connection.scalar(select(conversations.c.reference).where(conversations.c.id == talk_id)) or ""
        talk = conversation(connection, visible=OPERATOR, reference=reference)
    return next(entry for entry in talk.entries if entry.team == team)


def _do(database: Database, *handlings: Handling, by: str = "petra", at_ms: int = NOW_MS) -> Worked:
    return database.writer.submit(handle, Work(by=by, at_ms=at_ms, handlings=handlings)).result()


def _undo(database: Database, undo_id: int | None, **how: Any) -> Undone:
    asked = {"by": "petra", "at_ms": NOW_MS + 1, "teams": frozenset({"kita"}), **how}
    return database.writer.submit(undo, Undo(id=undo_id or 0, **asked)).result()


def _acts(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    with database.read() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.act, audit.c.details).order_by(audit.c.sequence))
        return [(row.actor, row.act, json.loads(row.details)) for row in rows]


@pytest.mark.parametrize(
    ("done", "act", "details"),
    [
        ({"state": "closed"}, "state", {"from": "open", "to": "closed", "revision": 1}),
        (
            {"state": "waiting", "returns_ms": NOW_MS + 5},
            "state",
            {"from": "open", "to": "waiting", "until_ms": NOW_MS + 5, "revision": 1},
        ),
        ({"assignee": 1}, "assigned", {"from": "", "to": "petra", "revision": 1}),
        ({"priority": 2}, "priority", {"from": 1, "to": 2, "revision": 1}),
        ({"add_tags": frozenset({"eilt"})}, "tagged", {"added": ["eilt"], "removed": [], "revision": 1}),
        ({"remove_tags": frozenset({"alt"})}, "tagged", {"added": [], "removed": ["alt"], "revision": 1}),
    ],
)
def test_an_act_changes_the_entry_is_audited_with_it_and_can_be_undone(
    database: Database, done: dict[str, Any], act: str, details: dict[str, Any]
) -> None:
    new = NewUser(login="petra", name="Petra", mail=None, password=None, created_ms=NOW_MS)
    assert database.writer.submit(add_users, new).result() == 1
    talk = _letter(database, 1, tags=("alt",))
    before = _entry(database, talk)
    worked = _do(database, Handling(conversation_id=talk, team="kita", shown=0, **done))
    assert worked.done == ((talk, "kita"),)
    assert _acts(database) == [("petra", act, details)]
    assert _entry(database, talk) != before
    assert _undo(database, worked.undo_id).restored == ((talk, "kita"),)
    after = _entry(database, talk)
    assert after.revision == 2
    names = ("state", "assignee", "priority", "returns_ms", "tags")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    assert _acts(database)[-1][:2] == ("petra", "undone")
    assert _undo(database, worked.undo_id) == Undone()  # once


def test_of_two_who_saw_the_same_the_later_changes_nothing_and_is_told_what_the_earlier_did(database: Database) -> None:
    talk = _letter(database, 1)
    _do(database, Handling(conversation_id=talk, team="kita", shown=0, state="closed"))
    later = _do(database, Handling(conversation_id=talk, team="kita", shown=0, add_tags=frozenset({"neu"})), by="jonas")
    assert (later.done, later.overtaken, later.undo_id) == ((), ((talk, "kita"),), None)
    entry = _entry(database, talk)
    assert (entry.state, entry.tags, entry.revision) == ("closed", (), 1)
    with database.read() as connection:
        told = since(connection, conversation_id=talk, team="kita", revision=0)
    assert [(each.login, each.act, each.details["to"]) for each in told] == [("petra", "state", "closed")]


def test_a_letter_that_opens_an_entry_makes_what_was_shown_outdated(database: Database) -> None:
    talk = _letter(database, 1, key="a@x")
    closing = Handling(conversation_id=talk, team="kita", shown=0, state="waiting", returns_ms=NOW_MS + 9)
    _do(database, closing)
    assert _letter(database, 2, key="b@x", refers=("a@x",)) == talk
    entry = _entry(database, talk)
    assert (entry.state, entry.revision, entry.returns_ms) == ("open", 2, None)
    assert _do(database, Handling(conversation_id=talk, team="kita", shown=1, state="closed")).overtaken
    # A letter that changes nothing but the letters does not stop anybody.
    assert _letter(database, 3, key="c@x", refers=("a@x",)) == talk
    assert _do(database, Handling(conversation_id=talk, team="kita", shown=2, state="closed")).done


def test_a_selection_is_one_act_and_undone_only_where_nobody_has_changed_it_since(database: Database) -> None:
    talks = [_letter(database, number) for number in range(1, 5)]
    asked = [Handling(conversation_id=talk, team="kita", shown=0, state="closed") for talk in talks]
    gone = Handling(conversation_id=9, team="kita", shown=0, state="closed")
    _do(database, Handling(conversation_id=talks[3], team="kita", priority=0), by="jonas")
    worked = _do(database, *asked, gone)
    assert worked.done == tuple((talk, "kita") for talk in talks[:3])
    assert (worked.overtaken, worked.gone) == (((talks[3], "kita"),), ((9, "kita"),))
    _do(database, Handling(conversation_id=talks[1], team="kita", assignee=NOBODY, add_tags=frozenset({"x"})))
    with database.read() as connection:
        assert undoable(connection, by="petra", undo_id=worked.undo_id or 0, now_ms=NOW_MS) == 3
        assert undoable(connection, by="jonas", undo_id=worked.undo_id or 0, now_ms=NOW_MS) == 0
        assert undoable(connection, by="petra", undo_id=worked.undo_id or 0, now_ms=NOW_MS + UNDO_MS) == 0
    assert _undo(database, worked.undo_id, by="jonas") == Undone()
    undone = _undo(database, worked.undo_id)
    assert (undone.restored, undone.left) == (((talks[0], "kita"), (talks[2], "kita")), 1)
    assert [_entry(database, talk).state for talk in talks] == ["open", "closed", "open", "open"]


def test_nothing_is_undone_where_one_may_no_longer_act(database: Database) -> None:
    talk = _letter(database, 1)
    worked = _do(database, Handling(conversation_id=talk, team="kita", state="closed"))
    assert _undo(database, worked.undo_id, teams=frozenset({"bauamt"})).left == 1
    assert _entry(database, talk).state == "closed"


def test_what_waits_until_a_day_opens_by_itself_unseen_and_once(database: Database) -> None:
    talk, other = _letter(database, 1), _letter(database, 2)
    _do(database, Handling(conversation_id=talk, team="kita", state="waiting", returns_ms=NOW_MS + 10))
    _do(database, Handling(conversation_id=other, team="kita", state="waiting"))
    assert database.writer.submit(bring_back, NOW_MS + 9).result() == frozenset()
    with database.read() as connection:
        assert [is_due(connection, NOW_MS + more) for more in (9, 10)] == [False, True]
    assert database.writer.submit(bring_back, NOW_MS + 10).result() == frozenset({"kita"})
    assert database.writer.submit(bring_back, NOW_MS + 11).result() == frozenset()
    entry = _entry(database, talk)
    assert (entry.state, entry.unseen, entry.returns_ms, entry.revision) == ("open", True, None, 2)
    assert _entry(database, other).state == "waiting"
    assert _acts(database)[-1][:2] == ("", "state")
