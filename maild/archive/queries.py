"""What staff read: conversations and messages (lists of them are in `maild.archive.lists`).

Every question carries what its asker may see.

Invariant: a message is readable through a filing of a visible team, and by no other way. Nothing that belongs to a
conversation as a whole is shown as such: its subject and its messages are those of the visible filings, because
another team's letters may be in the same conversation.

What is not there and what may not be seen both raise NotFoundError, with the same text, after the same questions to the
database: nobody learns by the time that it takes which of the two it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, bindparam, func, or_, select

from maild.archive.accounts import name_or
from maild.archive.allowed import (
    allowed_entry,
    allowed_filing,
    missing,
)
from maild.archive.questions import Question, Sight
from maild.archive.references import survivor_named
from maild.archive.schema import (
    conversations,
    entries,
    filings,
    joins,
    messages,
    recipients,
    summaries,
    tags,
    users,
)
from maild.policy.visible import Visible

_NOWHERE = -1  # an id of nothing: so that what is not there costs the questions of what may not be seen
MOST_RELATED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as far as the archive knows it without opening its octets."""

    id: int
    conversation_id: int
    reference: str
    direction: str
    origin: str
    digest: bytes
    size: int
    received_ms: int
    date_ms: int | None
    reverse_path: str | None
    envelope: Mapping[str, Any]
    subject: str
    from_name: str
    from_mail: str
    excerpt: str
    attachments: int
    automatic: int
    source_only: str | None
    problem: str | None
    teams: tuple[str, ...]
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A conversation in one team's inbox."""

    team: str
    state: str
    assignee: int | None
    assignee_name: str | None
    priority: int
    waiting_since_ms: int | None
    unseen: bool
    newest_id: int
    tags: tuple[str, ...]
    revision: int = 0  # one more with each change
    returns_ms: int | None = None  # when what waits opens by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another conversation that may belong to this one; a person decides."""

    reference: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """An exchange as the asker may see it: the visible messages, oldest first, and the entries of visible teams."""

    id: int
    reference: str
    subject: str
    messages: tuple[Message, ...]
    entries: tuple[Entry, ...]
    related: tuple[Related, ...]


# --- one conversation ---------------------------------------------------------------------------------------


def conversation(connection: Connection, *, visible: Visible, reference: str) -> Conversation:
    """Return a conversation by any reference it ever had (in its canonical form). Raises NotFoundError."""
    row = survivor_named(connection, reference)
    found = _messages(connection, visible, "conversation_id", _NOWHERE if row is None else row.id)
    if row is None or not found:
        raise missing()
    return Conversation(
        id=row.id,
        reference=row.reference,
        subject=found[0].subject,
        messages=found,
        entries=_entries(connection, visible, row.id),
        related=_related(connection, visible, row.id),
    )


def _entries(connection: Connection, visible: Visible, conversation_id: int) -> tuple[Entry, ...]:
    found = _ENTRIES.rows(connection, visible, conversation=conversation_id)
    tagged = tags_of(connection, {conversation_id}, {row.team for row in found})
    return tuple(
        Entry(
            team=row.team,
            state=row.state,
            assignee=row.assignee,
            assignee_name=row.assignee_name,
            priority=row.priority,
            waiting_since_ms=row.waiting_since_ms,
            unseen=row.seen_ms is None,
            newest_id=row.newest_id,
            tags=tagged.get((conversation_id, row.team), ()),
            revision=row.revision,
            returns_ms=row.returns_ms,
        )
        for row in found
    )


def _entries_of(sight: Sight) -> Select[Any]:
    return (
        select(entries, name_or(users.c.login).label("assignee_name"))
        .outerjoin(users, users.c.id == entries.c.assignee)
        .where(entries.c.conversation_id == bindparam("conversation"), allowed_entry(sight))
        .order_by(entries.c.team)
    )


_ENTRIES = Question(_entries_of)


def _related(connection: Connection, visible: Visible, conversation_id: int) -> tuple[Related, ...]:
    suggested = _SUGGESTED.rows(connection, conversation=conversation_id)
    others = {other for pair in suggested for other in pair} - {conversation_id}
    return related_of(connection, visible=visible, conversation_ids=others)


def related_of(connection: Connection, *, visible: Visible, conversation_ids: set[int]) -> tuple[Related, ...]:
    """Return those of some conversations that may be seen, the newest first, at most MOST_RELATED.

    Each has the subject of its newest letter that may be seen. One that was merged into another is left out.
    """
    rows = _RELATED_TO.rows(connection, visible, others=conversation_ids)
    return tuple(Related(reference=row.reference, subject=row.subject) for row in rows)


def _suggested() -> Select[Any]:
    asked: BindParameter[int] = bindparam("conversation")
    return select(joins.c.from_id, joins.c.into_id).where(
        joins.c.kind == "suggested", or_(joins.c.from_id == asked, joins.c.into_id == asked)
    )


def _newest_of(sight: Sight) -> Select[Any]:
    newest = (
        select(filings.c.conversation_id, func.max(filings.c.message_id).label("message_id"))
        .where(filings.c.conversation_id.in_(bindparam("others", expanding=True)), allowed_filing(sight))
        .group_by(filings.c.conversation_id)
        .subquery()
    )
    return (
        select(conversations.c.reference, summaries.c.subject)
        .join_from(newest, conversations, conversations.c.id == newest.c.conversation_id)
        .join(summaries, summaries.c.message_id == newest.c.message_id)
        .where(conversations.c.merged_into.is_(None))
        .order_by(newest.c.message_id.desc())
        .limit(MOST_RELATED)
    )


_SUGGESTED = Question(_suggested)
_RELATED_TO = Question(_newest_of)


def tags_of(
    connection: Connection, conversation_ids: set[int], teams: Iterable[str]
) -> dict[tuple[int, str], tuple[str, ...]]:
    """Return the tags by conversation and team; the caller has made sure that the teams are visible."""
    found: dict[tuple[int, str], tuple[str, ...]] = {}
    for row in _TAGS.rows(connection, conversations=conversation_ids, teams=frozenset(teams)):
        key = (row.conversation_id, row.team)
        found[key] = (*found.get(key, ()), row.tag)
    return found


def _tags() -> Select[Any]:
    asked = tags.c.conversation_id.in_(bindparam("conversations", expanding=True))
    return select(tags).where(asked, tags.c.team.in_(bindparam("teams", expanding=True))).order_by(tags.c.tag)


_TAGS = Question(_tags)


# --- messages -----------------------------------------------------------------------------------------------


def message(connection: Connection, *, visible: Visible, message_id: int) -> Message:
    """Return one message; an identical resend is readable where the first arrival is. Raises NotFoundError.

    The operator also gets a message that the router has not reached: without conversation, subject and teams.
    """
    found = _messages(connection, visible, "message_id", message_id)
    if found:
        return found[0]
    original = connection.scalar(
        select(recipients.c.duplicate_of).where(
            recipients.c.message_id == message_id, recipients.c.duplicate_of.is_not(None)
        )
    )
    first = _messages(connection, visible, "message_id", _NOWHERE if original is None else original)
    if original is None or not first:
        return _unrouted(connection, visible, message_id, routed=original is not None)
    return _resend(connection, visible, message_id, first[0])


def _resend(connection: Connection, visible: Visible, message_id: int, first: Message) -> Message:
    # Security: a resend was routed to nobody, so its recipients are not known by team. Only who sees every place
    # of the first arrival learns that, and when, it came again.
    original_id = first.id
    if not _sees_all_places(connection, visible, original_id):
        raise missing()
    row = connection.execute(select(messages).where(messages.c.id == message_id)).one()
    fields = {name: getattr(first, name) for name in Message.__dataclass_fields__}
    fields |= {
        "id": message_id,
        "origin": row.origin,
        "digest": bytes(row.digest),
        "size": row.size,
        "received_ms": row.received_ms,
        "reverse_path": row.reverse_path,
        "envelope": json.loads(row.envelope),
        "duplicate_of": original_id,
    }
    return Message(**fields)


def _unrouted(connection: Connection, visible: Visible, message_id: int, *, routed: bool) -> Message:
    row = connection.execute(select(messages).where(messages.c.id == message_id)).first()
    if row is None or routed or not visible.everything:
        raise missing()
    return Message(
        id=row.id,
        conversation_id=0,
        reference="",
        direction=row.direction,
        origin=row.origin,
        digest=bytes(row.digest),
        size=row.size,
        received_ms=row.received_ms,
        date_ms=None,
        reverse_path=row.reverse_path,
        envelope=json.loads(row.envelope),
        subject="",
        from_name="",
        from_mail="",
        excerpt="",
        attachments=0,
        automatic=0,
        source_only=None,
        problem=None,
        teams=(),
    )


def _sees_all_places(connection: Connection, visible: Visible, message_id: int) -> bool:
    places = set(connection.scalars(select(filings.c.team).where(filings.c.message_id == message_id)))
    return visible.everything or places <= visible.teams


def duplicates(connection: Connection, *, visible: Visible, message_id: int) -> list[int]:
    """Return the ids of identical resends of a message, oldest first, as far as the asker may know of them."""
    if not _messages(connection, visible, "message_id", message_id):
        raise missing()
    if not _sees_all_places(connection, visible, message_id):
        return []
    return list(
        connection.scalars(
            select(recipients.c.message_id)
            .where(recipients.c.duplicate_of == message_id)
            .distinct()
            .order_by(recipients.c.message_id)
        )
    )


def _messages(connection: Connection, visible: Visible, column: str, asked: int) -> tuple[Message, ...]:
    rows = _MESSAGES.rows(connection, visible, column, asked=asked)
    places: dict[int, tuple[str, ...]] = {}
    for row in rows:
        places[row.id] = (*places.get(row.id, ()), row.team)
    firsts = {row.id: row for row in reversed(rows)}
    return tuple(_message(firsts[number], teams) for number, teams in places.items())


def _filed(sight: Sight, column: str) -> Select[Any]:
    return (
        select(messages, summaries, conversations.c.reference, filings.c.team)
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .join(summaries, summaries.c.message_id == filings.c.message_id)
        .join(conversations, conversations.c.id == filings.c.conversation_id)
        .where(filings.c[column] == bindparam("asked"), allowed_filing(sight))
        .order_by(messages.c.id, filings.c.team)
    )


_MESSAGES = Question(_filed)


def _message(row: Any, teams: tuple[str, ...]) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        reference=row.reference,
        direction=row.direction,
        origin=row.origin,
        digest=bytes(row.digest),
        size=row.size,
        received_ms=row.received_ms,
        date_ms=row.date_ms,
        reverse_path=row.reverse_path,
        envelope=json.loads(row.envelope),
        subject=row.subject,
        from_name=row.from_name,
        from_mail=row.from_mail,
        excerpt=row.excerpt,
        attachments=row.attachments,
        automatic=row.automatic,
        source_only=row.source_only,
        problem=row.problem,
        teams=teams,
    )
