"""Lessons: what staff said of a letter, spam or none, for the spam filter to learn.

A lesson is recorded in the transaction that changes the state of its entry, and waits there until it has been taught.
Of several about one letter the latest counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from maild.archive.schema import entries, filings, messages
from maild.archive.schema_senders import lessons
from maild.archive.upserting import inserting

_SPAM = "spam"
_MOST_LETTERS = 20  # of one conversation; the newest


class Taught(NamedTuple):
    """Who teaches, and when."""

    by: str  # login
    at_ms: int


class Lesson(NamedTuple):
    """A lesson that waits. `made_ms` names this word of several about the message."""

    message_id: int
    spam: bool
    made_ms: int
    digest: bytes
    size: int


class Learnt(NamedTuple):
    """A lesson that was taught, or is of no use to the filter."""

    message_id: int
    made_ms: int
    at_ms: int


def teach(connection: Connection, conversation_id: int, team: str, state: str, taught: Taught) -> None:
    """Record what a change of state says of the letters of an entry, before the state is changed."""
    was = connection.scalar(
        select(entries.c.state).where(entries.c.conversation_id == conversation_id, entries.c.team == team)
    )
    if was is None or (was == _SPAM) == (state == _SPAM):
        return
    letters = connection.scalars(
        select(filings.c.message_id)
        .join(messages, messages.c.id == filings.c.message_id)
        .where(filings.c.conversation_id == conversation_id, filings.c.team == team, messages.c.direction == "in")
        .order_by(filings.c.message_id.desc())
        .limit(_MOST_LETTERS)
    ).all()
    values = {"spam": int(state == _SPAM), "taught_by": taught.by, "made_ms": taught.at_ms, "done_ms": None}
    if letters:
        put = inserting(lessons, connection.dialect.name)
        connection.execute(
            put.on_conflict_do_update(
                index_elements=["message_id"], set_={name: put.excluded[name] for name in values}
            ),
            [{"message_id": number, **values} for number in letters],
        )


def waiting_lessons(connection: Connection, limit: int) -> list[Lesson]:
    """Return lessons that wait, in the order of their messages."""
    rows = connection.execute(
        select(lessons.c.message_id, lessons.c.spam, lessons.c.made_ms, messages.c.digest, messages.c.size)
        .join(messages, messages.c.id == lessons.c.message_id)
        .where(lessons.c.done_ms.is_(None))
        .order_by(lessons.c.message_id)
        .limit(limit)
    )
    return [Lesson(row.message_id, bool(row.spam), row.made_ms, bytes(row.digest), row.size) for row in rows]


def learnt(connection: Connection, items: list[Learnt]) -> Sequence[bool]:
    """Note lessons as done; False where somebody has said otherwise meanwhile. A unit of work."""
    done = []
    for item in items:
        changed: Any = connection.execute(
            update(lessons)
            .where(lessons.c.message_id == item.message_id, lessons.c.made_ms == item.made_ms)
            .values(done_ms=item.at_ms)
        )
        done.append(bool(changed.rowcount))
    return done
