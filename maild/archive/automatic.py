"""What an automatic answer has to know of its letter, and how many there were: for whoever carries such duties out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from maild.archive.duties import RecordedDuty, duty, waiting_duties
from maild.archive.examinations import evidence_of
from maild.archive.schema import conversations, entries, messages, recipients, summaries, tags
from maild.archive.schema_outgoing import outgoing
from maild.errors import MaildError
from maild.mail.evidence import Evidence
from maild.mail.ids import message_id_at
from maild.policy.visible import OPERATOR
from maild.rules.duties import ANSWERS

DAY_MS = 24 * 3600 * 1000
HOUR_MS = 3600 * 1000
MOST_AN_HOUR = 100
AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter that a duty asks to be answered. `came_to` are addresses of ours."""

    duty: RecordedDuty
    digest: bytes
    reverse_path: str | None
    came_to: tuple[str, ...]
    conversation_id: int
    reference: str
    subject: str
    from_name: str
    from_mail: str
    state: str  # of the entry; "": it has none
    tags: frozenset[str]
    evidence: Evidence | None


def letters_to_answer(connection: Connection, *, after: int, limit: int) -> tuple[list[Letter], int | None]:
    """Return letters whose automatic answers wait and are not held, beyond a duty; and the last one that was seen."""
    found = waiting_duties(connection, visible=OPERATOR, limit=limit, after=after, kinds=ANSWERS)
    last = found[-1].id if found else None
    return [_letter(connection, each) for each in found if not each.held], last


def _letter(connection: Connection, each: RecordedDuty) -> Letter:
    number = each.message_id
    row = connection.execute(
        select(messages.c.digest, messages.c.reverse_path, summaries.c.conversation_id, summaries.c.subject,
               summaries.c.from_name, summaries.c.from_mail, conversations.c.reference)
        .join_from(messages, summaries, summaries.c.message_id == messages.c.id)
        .join(conversations, conversations.c.id == summaries.c.conversation_id)
        .where(messages.c.id == number)
    ).one()  # fmt: skip
    came_to = connection.scalars(
        select(recipients.c.address).where(recipients.c.message_id == number).order_by(recipients.c.position)
    )
    of_entry = (row.conversation_id, each.team)
    state = connection.scalar(
        select(entries.c.state).where(entries.c.conversation_id == of_entry[0], entries.c.team == of_entry[1])
    )
    named = connection.scalars(
        select(tags.c.tag).where(tags.c.conversation_id == of_entry[0], tags.c.team == of_entry[1])
    )
    return Letter(
        duty=each, digest=bytes(row.digest), reverse_path=row.reverse_path, came_to=tuple(came_to),
        conversation_id=row.conversation_id, reference=row.reference, subject=row.subject,
        from_name=row.from_name or "", from_mail=row.from_mail or "", state=state or "", tags=frozenset(named),
        evidence=evidence_of(connection, [number]).get(number),
    )  # fmt: skip


def answered_within_a_day(connection: Connection, address_keys: Iterable[str], now_ms: int) -> bool:
    """Tell whether an address has had an automatic answer in the last 24 hours."""
    statement = (
        select(outgoing.c.message_id)
        .join_from(outgoing, recipients, recipients.c.message_id == outgoing.c.message_id)
        .where(
            outgoing.c.kind == AUTOMATIC,
            outgoing.c.message_id > message_id_at(now_ms - DAY_MS, 0),
            recipients.c.address_key.in_(sorted(address_keys)),
        )
    )
    return connection.execute(statement.limit(1)).first() is not None


def too_many(connection: Connection, now_ms: int) -> bool:
    """Tell whether as many automatic answers as may be have left in the last hour."""
    counted = connection.scalar(
        select(func.count())
        .select_from(outgoing)
        .where(outgoing.c.kind == AUTOMATIC, outgoing.c.message_id > message_id_at(now_ms - HOUR_MS, 0))
    )
    return int(counted or 0) >= MOST_AN_HOUR


def require_due(connection: Connection, duty_id: int, address_keys: Iterable[str], now_ms: int) -> None:
    """Look once more, within the transaction that submits an automatic answer; raises MaildError where it must not."""
    found = duty(connection, visible=OPERATOR, duty_id=duty_id)
    if found.state != "waiting" or found.held:
        raise MaildError("this is not to be answered any more")
    if too_many(connection, now_ms) or answered_within_a_day(connection, address_keys, now_ms):
        raise MaildError("there were enough automatic answers")
