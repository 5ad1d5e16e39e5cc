"""Internal notes: what people of a team tell each other about a conversation. No outgoing octet has a word of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from maild.archive.outgoing import survivor_of
from maild.archive.queries import allowed
from maild.archive.schema import users
from maild.archive.schema_outgoing import notes
from maild.policy.visible import Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNote:
    """Somebody writes a note. That they may was decided before."""

    conversation_id: int
    team: str
    author: str
    at_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note as it is shown."""

    id: int
    team: str
    author: str
    author_name: str
    at_ms: int
    text: str


def add_notes(connection: Connection, arguments: list[NewNote]) -> list[None]:
    """Write notes down. A unit of work."""
    rows = [
        {
            "conversation_id": survivor_of(connection, new.conversation_id),
            **{name: getattr(new, name) for name in ("team", "author", "at_ms", "text")},
        }
        for new in arguments
    ]
    connection.execute(insert(notes), rows)
    return [None] * len(arguments)


def notes_of(connection: Connection, *, visible: Visible, conversation_id: int) -> tuple[Note, ...]:
    """Return the notes of visible teams on a conversation, oldest first."""
    name = func.coalesce(func.nullif(users.c.name, ""), notes.c.author).label("author_name")
    rows = connection.execute(
        select(notes, name)
        .outerjoin(users, users.c.login == notes.c.author)
        .where(notes.c.conversation_id == conversation_id, allowed(notes.c.team, visible))
        .order_by(notes.c.at_ms, notes.c.id)
    ).mappings()
    names = ("id", "team", "author", "author_name", "at_ms", "text")
    return tuple(Note(**{name: row[name] for name in names}) for row in rows)
