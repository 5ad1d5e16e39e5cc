"""What lists cost: no more for all that lies closed in the archive. Counted, not timed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from maild.archive.accounts import NewUser, add_users
from maild.archive.counts import own_unread, team_counts
from maild.archive.database import Database
from maild.archive.folders import folders_of
from maild.archive.lists import FILTERS, changes, inbox, longest_free, newest_revision
from maild.archive.notes import NewNote, add_notes, mentions_of
from maild.archive.schema import conversations, entries, filings, messages, summaries
from maild.mail.ids import format_reference, message_id_at
from maild.policy.deputies import Cover
from maild.policy.visible import Visible
from tests.archive.samples import NOW_MS

IN_WORK, FEW, MANY = 90, 200, 1_200
STEP = 20  # instructions of SQLite's machine between two looks
SEES = Visible(teams=frozenset({"kita", "bauamt"}))


@pytest.fixture
def people(database: Database) -> tuple[int, ...]:
    """Three people; the third is away, and the first acts for them."""
    new = [NewUser(login=login, name="", mail=None, password=None, created_ms=0) for login in ("eins", "zwei", "drei")]
    return tuple(database.writer.submit(add_users, each).result() for each in new)


def _fill(database: Database, people: tuple[int, ...], first: int, count: int, *, closed: bool) -> None:
    """Put conversations into the inbox of a team, each of one letter; a third of them is somebody's."""
    tables = (messages, conversations, summaries, filings, entries)
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in tables}
    for number in range(first, first + count):
        at_ms = NOW_MS + number * 1000
        key, state = message_id_at(at_ms, number), ("closed" if closed else "waiting" if number % 9 == 4 else "open")
        rows["messages"].append({
            "id": key, "sequence": number, "chain": b"", "direction": "in", "origin": "smtp", "digest": b"", "size": 1,
            "received_ms": at_ms, "reverse_path": None, "envelope": "{}",
        })  # fmt: skip
        rows["conversations"].append({"id": key, "reference": format_reference(number), "subject": "Frage"})
        rows["summaries"].append({
            "message_id": key, "conversation_id": key, "revision": number, "subject": "Frage", "from_name": "",
            "from_mail": "a@b.example", "people": "[]", "excerpt": "", "attachments": 0, "automatic": 0,
            "rules_version": "v", "trace": b"",
        })  # fmt: skip
        rows["filings"].append({"team": "kita", "message_id": key, "conversation_id": key})
        rows["entries"].append({
            "conversation_id": key, "team": "kita", "state": state, "priority": 1, "newest_id": key,
            "assignee": people[number % 9 // 3] if number % 3 == 0 else None,
            "waiting_since_ms": None if number % 2 else at_ms, "seen_ms": None if number % 5 == 0 else at_ms,
            "risen_id": message_id_at(at_ms + 5000, number) if number % 10 == 0 and not closed else None,
        })  # fmt: skip
    with database.writing.begin() as connection:
        for table in tables:
            connection.execute(insert(table), rows[table.name])


def _questions(people: tuple[int, ...]) -> dict[str, Callable[[Connection], Any]]:
    """Return what every page asks about lists."""
    cover = Cover(acting={"kita": {people[2]: people[0]}})
    late: dict[str, Any] = {"overdue_ms": NOW_MS + 30_000, "cover": cover, "user_id": people[0]}
    helps = Visible(teams=frozenset({"bauamt"}), assigned=frozenset({"kita"}), user_id=people[0])
    found: dict[str, Callable[[Connection], Any]] = {
        state: lambda c, state=state: inbox(c, visible=SEES, team="kita", state=state, **late)  # type: ignore[misc]
        for state in FILTERS
    }
    return found | {
        "mine of who helps": lambda c: inbox(c, visible=helps, team="kita", state="mine", **late),
        "open of who helps": lambda c: inbox(c, visible=helps, team="kita", **late),
        "counts": lambda c: team_counts(c, visible=SEES, **late),
        "unread": lambda c: own_unread(c, visible=SEES, user_id=people[0]),
        "mentions": lambda c: mentions_of(c, visible=SEES, user_id=people[0]),
        "folders": lambda c: folders_of(c, visible=SEES, user_id=people[0]),
        "free": lambda c: longest_free(c, visible=SEES, cover=cover),
        "changes": lambda c: changes(c, visible=SEES, after=newest_revision(c) - 5),
    }


@contextmanager
def _steps(connection: Connection) -> Iterator[list[int]]:
    """Count what SQLite's machine does, in units of STEP."""
    raw: Any = connection.connection.driver_connection
    done = [0]

    def step() -> int:
        done[0] += 1
        return 0

    raw.set_progress_handler(step, STEP)
    try:
        yield done
    finally:
        raw.set_progress_handler(None, STEP)


def _rows_touched(connection: Connection, question: Callable[[Connection], Any]) -> int:
    """Ask, and then have PostgreSQL tell how many rows each step of it had in hand."""
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        asked.append((arguments[2], arguments[3]))

    event.listen(connection, "before_cursor_execute", note)
    question(connection)
    event.remove(connection, "before_cursor_execute", note)
    raw: Any = connection.connection.driver_connection
    touched = 0
    for statement, parameters in asked:
        (plan,) = raw.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).fetchone()
        touched += _rows_of((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])
    return touched


def _rows_of(node: dict[str, Any]) -> int:
    left_out = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    own: int = round((node["Actual Rows"] + left_out) * node["Actual Loops"])
    return own + sum(map(_rows_of, node.get("Plans", ())))


def _cost(database: Database, question: Callable[[Connection], Any]) -> int:
    with database.read() as connection:
        if database.is_sqlite:
            question(connection)  # what is read of the schema is no part of it
            with _steps(connection) as done:
                question(connection)
            return done[0]
        # So small an archive is quicker read from end to end, which a large one must not need.
        for way in ("seq_page_cost = 50", "enable_hashjoin = off", "enable_mergejoin = off", "jit = off"):
            connection.exec_driver_sql(f"SET LOCAL {way}")
        return _rows_touched(connection, question)


def test_no_list_costs_more_for_what_lies_closed(database: Database, people: tuple[int, ...]) -> None:
    _fill(database, people, 1, FEW, closed=True)
    _fill(database, people, FEW + 1, IN_WORK, closed=False)
    called = message_id_at(NOW_MS + 1000, 1)
    mentioned = frozenset({people[0]})
    note = NewNote(conversation_id=called, team="kita", author="zwei", at_ms=NOW_MS, text="x", mentioned=mentioned)
    database.writer.submit(add_notes, note).result()
    _analyse(database)
    questions = _questions(people)
    before = {name: _cost(database, question) for name, question in questions.items()}
    with database.read() as connection:
        shown = {name: question(connection) for name, question in questions.items()}
    _fill(database, people, FEW + IN_WORK + 1, MANY, closed=True)
    _analyse(database)
    after = {name: _cost(database, question) for name, question in questions.items()}
    grown = {name: (before[name], cost) for name, cost in after.items() if cost > 2 * before[name] + 60}
    assert grown == {}
    with database.read() as connection:
        again = {
            name: question(connection) for name, question in questions.items() if name not in {"closed", "changes"}
        }
    assert again == {name: found for name, found in shown.items() if name in again}


def _analyse(database: Database) -> None:
    if not database.is_sqlite:  # where nobody does it, SQLite goes by its own rules alone
        with database.writing.begin() as connection:
            connection.exec_driver_sql("ANALYZE")


def test_mine_is_what_is_assigned_to_me_or_to_whom_i_act_for_in_work_and_what_mentions_me(
    database: Database, people: tuple[int, ...]
) -> None:
    _fill(database, people, 1, 20, closed=True)
    _fill(database, people, 21, 60, closed=False)
    called = message_id_at(NOW_MS + 2000, 2)
    note = NewNote(
        conversation_id=called, team="kita", author="zwei", at_ms=NOW_MS, text="x", mentioned=frozenset({people[0]})
    )
    database.writer.submit(add_notes, note).result()
    own = {n for n in range(21, 81) if n % 3 == 0 and n % 9 // 3 in {0, 2}}
    with database.read() as connection:
        asked = _questions(people)["mine"](connection)
        nobody = inbox(connection, visible=SEES, team="kita", state="mine", user_id=None)
        elsewhere = inbox(connection, visible=SEES, team="bauamt", state="mine", user_id=people[0])
    assert {row.newest_id for row in asked.rows} == {message_id_at(NOW_MS + n * 1000, n) for n in own | {2}}
    listed = [max(row.newest_id, _risen(row.newest_id)) for row in asked.rows]
    assert listed == sorted(listed, reverse=True)
    assert nobody.rows == elsewhere.rows == ()


def _risen(newest_id: int) -> int:
    number = newest_id & 0xFFFFF
    return message_id_at(NOW_MS + number * 1000 + 5000, number) if number % 10 == 0 else 0
