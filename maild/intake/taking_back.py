"""Taking back what somebody has sent, as long as nothing of it has begun to leave. A unit of work.

The message stays in the archive, which forgets nothing; its deliveries are dropped, its draft is open again, and who
wrote to us waits as before.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from maild.archive.drafts import reopen_sent
from maild.archive.entries import Reopening, reopen
from maild.archive.outgoing import Written
from maild.delivery.deliveries import WAITING
from maild.delivery.queue.acts import Act, Change, change
from maild.delivery.queue.listing import RecordedDelivery, deliveries_of
from maild.errors import MaildError
from maild.policy.visible import OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Somebody takes a message back. That they may was decided before."""

    written: Written
    conversation_id: int
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """What became of it: `draft_id` is open again, None where a part had left or none was there."""

    dropped: int
    left: int
    draft_id: int | None = None


def take_back(connection: Connection, arguments: list[TakeBack]) -> list[TakenBack]:
    """Drop the deliveries that have not begun. Raises MaildError where one began at this moment."""
    return [_take_back(connection, asked) for asked in arguments]


def _take_back(connection: Connection, asked: TakeBack) -> TakenBack:
    found = _of(connection, asked)
    waiting = [each for each in found if _has_not_begun(each)]
    left = sum(each.state != "dropped" for each in found) - len(waiting)
    change(connection, [Change(delivery_id=d.id, act=Act.DROP, by=asked.by, at_ms=asked.at_ms) for d in waiting])
    dropped = {each.id for each in waiting}
    if any(each.attempts for each in _of(connection, asked) if each.id in dropped):
        raise MaildError("it has begun to leave")  # between the two questions; nothing of this act stays
    if not waiting or left:
        return TakenBack(dropped=len(waiting), left=left)
    written = asked.written
    reopen(
        connection,
        Reopening(conversation_id=asked.conversation_id, team=written.team, without_id=written.message_id),
    )
    draft_id = reopen_sent(connection, written.message_id, asked.by, asked.at_ms)
    return TakenBack(dropped=len(waiting), left=0, draft_id=draft_id)


def _of(connection: Connection, asked: TakeBack) -> tuple[RecordedDelivery, ...]:
    number = asked.written.message_id
    return deliveries_of(connection, visible=OPERATOR, message_ids=[number]).get(number, ())


def _has_not_begun(each: RecordedDelivery) -> bool:
    return each.state in WAITING and each.attempts == 0
