"""Who has looked into a conversation: one record a person, conversation and day, however often they came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, select

from maild.archive.audit import Record, record
from maild.archive.schema_people import audit
from maild.mail.acts import Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Somebody has looked. `day_ms` is when their day began; `teams` are the inboxes through which they could."""

    actor: str
    conversation_id: int
    teams: tuple[str, ...]
    at_ms: int
    day_ms: int


def note_readings(connection: Connection, arguments: list[Reading]) -> Sequence[bool]:
    """Append readings to the audit log; False for one that stands there already. A unit of work."""
    return [_note(connection, reading) for reading in arguments]


def _note(connection: Connection, reading: Reading) -> bool:
    before = select(
        exists().where(
            audit.c.conversation_id == reading.conversation_id,
            audit.c.actor == reading.actor,
            audit.c.act == str(Act.READ),
            audit.c.at_ms >= reading.day_ms,
        )
    )
    if connection.scalar(before):
        return False
    seen = Record(
        at_ms=reading.at_ms,
        actor=reading.actor,
        act=Act.READ,
        team=reading.teams[0] if reading.teams else "",
        conversation_id=reading.conversation_id,
        details={"teams": list(reading.teams)} if len(reading.teams) > 1 else {},
    )
    record(connection, [seen])
    return True
