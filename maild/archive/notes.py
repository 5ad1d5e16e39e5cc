"""Internal notes: what people of a team tell each other about a conversation. No outgoing octet has a word of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, insert, select, update

from maild.archive.accounts import name_or
from maild.archive.allowed import allowed, allowed_entry
from maild.archive.audit import Record, record
from maild.archive.outgoing import survivor_of
from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, entries, summaries, users
from maild.archive.schema_inbox import mentions
from maild.archive.schema_outgoing import notes
from maild.mail.acts import Act
from maild.policy.visible import Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNote:
    """Somebody writes a note. That they may was decided before."""

    conversation_id: int
    team: str
    author: str
    at_ms: int
    text: str
    mentioned: frozenset[int] = frozenset()  # ids of people who may read it


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
    for new in arguments:
        number = survivor_of(connection, new.conversation_id)
        row = {name: getattr(new, name) for name in ("team", "author", "at_ms", "text")}
        made: Any = connection.execute(insert(notes).values(conversation_id=number, **row))
        note_id = int(made.inserted_primary_key[0])
        if new.mentioned:
            key = {"note_id": note_id, "conversation_id": number, "team": new.team}
            connection.execute(insert(mentions), [key | {"user_id": each} for each in sorted(new.mentioned)])
        details = {"note": note_id, "mentioned": sorted(new.mentioned)}
        record(connection, [Record(
            at_ms=new.at_ms, actor=new.author, act=Act.NOTED, team=new.team, conversation_id=number, details=details,
        )])  # fmt: skip
    return [None] * len(arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A note that names a person, who has not looked at it yet."""

    reference: str
    subject: str
    author_name: str
    at_ms: int


def mentions_of(connection: Connection, *, visible: Visible, user_id: int, limit: int = 20) -> tuple[Mention, ...]:
    """Return the mentions of a person that they have not looked at, where they may read, newest first."""
    rows = _MENTIONS.rows(connection, visible, limit, user=user_id)
    return tuple(Mention(**row._asdict()) for row in rows)


def _mentioned(sight: Sight, limit: int) -> Select[Any]:
    name = name_or(notes.c.author).label("author_name")
    return (
        select(conversations.c.reference, summaries.c.subject, name, notes.c.at_ms)
        .join_from(mentions, notes, notes.c.id == mentions.c.note_id)
        .join(conversations, conversations.c.id == mentions.c.conversation_id)
        .join(
            entries,
            and_(entries.c.conversation_id == mentions.c.conversation_id, entries.c.team == mentions.c.team),
        )
        .join(summaries, summaries.c.message_id == entries.c.newest_id)
        .outerjoin(users, users.c.login == notes.c.author)
        .where(mentions.c.user_id == bindparam("user"), mentions.c.seen_ms.is_(None), allowed_entry(sight))
        .order_by(notes.c.id.desc())
        .limit(limit)
    )


_MENTIONS = Question(_mentioned)


def mentions_in(connection: Connection, user_id: int, conversation_id: int) -> bool:
    """Tell whether a conversation has a mention of a person that they have not looked at."""
    return _MENTION.first(connection, user=user_id, conversation=conversation_id) is not None


_MENTION = Question(
    lambda: (
        select(mentions.c.note_id)
        .where(
            mentions.c.user_id == bindparam("user"),
            mentions.c.conversation_id == bindparam("conversation"),
            mentions.c.seen_ms.is_(None),
        )
        .limit(1)
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """A person has looked at the notes of a conversation."""

    user_id: int
    conversation_id: int
    teams: frozenset[str]
    at_ms: int


def notice_mentions(connection: Connection, arguments: list[Noticed]) -> list[None]:
    """Note that mentions were looked at. A unit of work."""
    for noticed in arguments:
        connection.execute(
            update(mentions)
            .where(
                mentions.c.user_id == noticed.user_id,
                mentions.c.conversation_id == noticed.conversation_id,
                mentions.c.team.in_(sorted(noticed.teams)),
                mentions.c.seen_ms.is_(None),
            )
            .values(seen_ms=noticed.at_ms)
        )
    return [None] * len(arguments)


def notes_of(connection: Connection, *, visible: Visible, conversation_id: int) -> tuple[Note, ...]:
    """Return the notes of visible teams on a conversation, oldest first."""
    return tuple(Note(**row._asdict()) for row in _NOTES.rows(connection, visible, conversation=conversation_id))


def _noted(sight: Sight) -> Select[Any]:
    n = notes.c
    return (
        select(n.id, n.team, n.author, name_or(n.author).label("author_name"), n.at_ms, n.text)
        .outerjoin(users, users.c.login == n.author)
        .where(n.conversation_id == bindparam("conversation"), allowed(n.team, sight, n.conversation_id))
        .order_by(n.at_ms, n.id)
    )


_NOTES = Question(_noted)
