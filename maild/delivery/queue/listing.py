"""What people are shown of the queue.

A delivery is shown to who may see the inbox in whose name the message leaves, or whose rules asked for it to be sent
on. Who only got a copy of the letter does not see where else it went.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)

from maild.archive.allowed import allowed_of, missing
from maild.archive.questions import Question, Sight
from maild.archive.schema import duties
from maild.archive.schema_outgoing import attempts, deliveries, outgoing
from maild.delivery.deliveries import ENDED_BADLY, OPEN
from maild.delivery.queue.places import asked_by
from maild.policy.visible import Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDelivery:
    """A delivery as it stands."""

    id: int
    message_id: int
    kind: str
    recipient: str
    reverse_path: str | None
    next_hop: str
    state: str
    once: bool
    attempts: int
    made_ms: int
    due_ms: int
    expires_ms: int
    outcome: str
    doubtful: bool
    late: bool  # it took hours, at one time
    ended_ms: int | None
    ended_by: str | None
    in_hand: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """One try. `ended_ms` None: it is under way, or was cut off."""

    number: int
    started_ms: int
    ended_ms: int | None
    host: str
    tls: str
    outcome: str
    reply: str


def _seen(visible: Visible | Sight) -> ColumnElement[bool]:
    if visible.everything:
        return true()
    ours = exists().where(
        outgoing.c.message_id == deliveries.c.message_id, allowed_of(outgoing.c.message_id, outgoing.c.team, visible)
    )
    asked = exists().where(asked_by(deliveries), allowed_of(duties.c.message_id, duties.c.team, visible))
    return or_(ours, asked)


def deliveries_in(
    connection: Connection,
    *,
    visible: Visible,
    limit: int,
    after: int = 0,
    states: Iterable[str] = OPEN,
    newest_first: bool = False,
    to: str = "",
) -> list[RecordedDelivery]:
    """Return deliveries in some states, oldest first unless told otherwise, beyond the id `after`.

    `to` asks for those to an address, to a domain, or by a next hop.
    """
    beyond = deliveries.c.id < after if newest_first and after else deliveries.c.id > after
    found = connection.execute(
        select(deliveries)
        .where(_in_states(states), beyond, _goes_to(to.lower()) if to else true(), _seen(visible))
        .order_by(deliveries.c.id.desc() if newest_first else deliveries.c.id)
        .limit(limit)
    )
    return [_recorded(row) for row in found.mappings()]


def _goes_to(to: str) -> ColumnElement[bool]:
    recipient = func.lower(deliveries.c.recipient)
    at_domain = recipient.endswith(f"@{to}", autoescape=True)
    return or_(recipient == to, func.lower(deliveries.c.next_hop) == to, at_domain)


def _in_states(states: Iterable[str]) -> ColumnElement[bool]:
    chosen = tuple(states)
    if set(chosen) <= set(OPEN) or set(chosen) <= set(ENDED_BADLY):
        # Written out, not bound: otherwise no database sees that the index of what is open, or failed, has them all.
        return deliveries.c.state.in_([literal_column(f"'{state}'") for state in chosen])
    return deliveries.c.state.in_(chosen)


def failed_letters(connection: Connection, *, visible: Visible) -> int:
    """Return of how many messages a delivery has failed, and nobody has settled it."""
    return int(_FAILED.scalar(connection, visible) or 0)


_FAILED = Question(
    lambda sight: select(func.count(deliveries.c.message_id.distinct())).where(_in_states(ENDED_BADLY), _seen(sight))
)


def deliveries_of(
    connection: Connection, *, visible: Visible, message_ids: Iterable[int]
) -> dict[int, tuple[RecordedDelivery, ...]]:
    """Return the deliveries of messages, in any state; none of a message: no key."""
    found: dict[int, tuple[RecordedDelivery, ...]] = {}
    for row in _OF.rows(connection, visible, messages=tuple(message_ids)):
        found[row.message_id] = (*found.get(row.message_id, ()), _recorded(row._asdict()))
    return found


def _of(sight: Sight) -> Select[Any]:
    asked = deliveries.c.message_id.in_(bindparam("messages", expanding=True))
    return select(deliveries).where(asked, _seen(sight)).order_by(deliveries.c.id)


_OF = Question(_of)


def delivery(connection: Connection, *, visible: Visible, delivery_id: int) -> RecordedDelivery:
    """Return one delivery. Raises NotFoundError."""
    statement = select(deliveries).where(deliveries.c.id == delivery_id, _seen(visible))
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise missing()
    return _recorded(row)


def attempts_of(connection: Connection, *, visible: Visible, delivery_id: int) -> list[RecordedAttempt]:
    """Return the tries of a delivery in their order. Raises NotFoundError."""
    delivery(connection, visible=visible, delivery_id=delivery_id)
    names = ("number", "started_ms", "ended_ms", "host", "tls", "outcome", "reply")
    found = connection.execute(
        select(*(attempts.c[name] for name in names))
        .where(attempts.c.delivery_id == delivery_id)
        .order_by(attempts.c.number)
    )
    return [RecordedAttempt(**row) for row in found.mappings()]


def delivery_counts(connection: Connection, *, visible: Visible, states: Iterable[str] = OPEN) -> dict[str, int]:
    """Return how many deliveries there are, by state; states without any are left out."""
    found = connection.execute(
        select(deliveries.c.state, func.count()).where(_in_states(states), _seen(visible)).group_by(deliveries.c.state)
    )
    return {state: int(count) for state, count in found}


def _recorded(row: RowMapping | dict[str, Any]) -> RecordedDelivery:
    names: Any = ("id", "message_id", "kind", "recipient", "reverse_path", "next_hop", "state", "attempts", "made_ms",
                  "due_ms", "expires_ms", "outcome", "ended_ms", "ended_by")  # fmt: skip
    return RecordedDelivery(
        **{name: row[name] for name in names},
        once=bool(row["once"]),
        doubtful=bool(row["doubtful"]),
        late=row["notified_ms"] is not None,
        in_hand=row["lease_ms"] is not None,
    )
