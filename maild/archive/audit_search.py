"""Finding records of the audit log. Of what people read and searched only what a second person agreed to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from maild.archive.audit_requests import Sight
from maild.archive.schema import conversations
from maild.archive.schema_people import audit
from maild.mail.acts import Act

READINGS = (Act.READ, Act.SEARCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is searched for; what is empty is not asked. `until_ms` is the first moment after."""

    actor: str = ""
    act: str = ""
    team: str = ""
    conversation_id: int | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    before: int | None = None  # a number of a record


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record as it is shown."""

    sequence: int
    at_ms: int
    actor: str
    act: str
    team: str
    reference: str
    about: str
    details: Mapping[str, Any]


def conversation_named(connection: Connection, reference: str) -> int | None:
    """Return the conversation of a reference, for an auditor, who sees nothing of it."""
    return connection.scalar(select(conversations.c.id).where(conversations.c.reference == reference))


def find_records(connection: Connection, asked: Question, sight: Sight, limit: int) -> list[Entry]:
    """Return records, the newest first."""
    rows = connection.execute(
        select(audit, conversations.c.reference)
        .outerjoin(conversations, conversations.c.id == audit.c.conversation_id)
        .where(*_conditions(asked), _seen(sight))
        .order_by(audit.c.sequence.desc())
        .limit(limit)
    )
    return [
        Entry(
            sequence=row.sequence,
            at_ms=row.at_ms,
            actor=row.actor,
            act=row.act,
            team=row.team,
            reference=row.reference or "",
            about=row.about,
            details=json.loads(row.details),
        )
        for row in rows
    ]


def _conditions(asked: Question) -> Iterator[ColumnElement[bool]]:
    for value, column in ((asked.actor, audit.c.actor), (asked.act, audit.c.act), (asked.team, audit.c.team)):
        if value:
            yield column == value
    if asked.conversation_id is not None:
        yield audit.c.conversation_id == asked.conversation_id
    if asked.from_ms is not None:
        yield audit.c.at_ms >= asked.from_ms
    if asked.until_ms is not None:
        yield audit.c.at_ms < asked.until_ms
    if asked.before is not None:
        yield audit.c.sequence < asked.before


def _seen(sight: Sight) -> ColumnElement[bool]:
    of_conversation = and_(audit.c.act == str(Act.READ), audit.c.conversation_id.in_(sorted(sight.conversation_ids)))
    return or_(
        audit.c.act.not_in([str(act) for act in READINGS]), audit.c.actor.in_(sorted(sight.logins)), of_conversation
    )
