"""Accepted mail that waits to be read: what the router claims at start, after a crash, and from other processes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from maild.archive.schema import chain_head, messages, recipients
from maild.archive.schema_senders import examinations
from maild.mail.evidence import Evidence, from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One recipient of a waiting message."""

    address: str
    team: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message with its open work items."""

    message_id: int
    direction: str
    origin: str
    received_ms: int
    reverse_path: str | None
    digest: bytes
    size: int
    items: tuple[WorkItem, ...]
    peer_ip: str | None = None  # who handed it over; None for imported mail
    helo: str = ""
    evidence: Evidence | None = None  # None: nobody has looked who sent it
    screening: str | None = None  # JSON of `maild.mail.screening`; None: nobody was asked


def next_waiting(connection: Connection, limit: int, after: int = 0) -> tuple[list[Waiting], int | None]:
    """Return the first `limit` waiting messages beyond the id `after`, and the last id looked at; None: none waits.

    Some are left out if they are filed meanwhile, even all: only None says that there are no others.
    """
    ids = waiting_ids(connection, limit, after)
    return waiting(connection, ids), max(ids, default=None)


def waiting_ids(connection: Connection, limit: int, after: int = 0) -> list[int]:
    """Return the ids of waiting messages in order, beyond `after`."""
    statement = (
        select(recipients.c.message_id)
        .where(recipients.c.state == "accepted", recipients.c.message_id > after)
        .distinct()
        .order_by(recipients.c.message_id)
        .limit(limit)
    )
    return list(connection.scalars(statement))


def waiting(connection: Connection, ids: list[int]) -> list[Waiting]:
    """Return the waiting messages among `ids`."""
    items: dict[int, list[WorkItem]] = {}
    for message_id, address, team in connection.execute(
        select(recipients.c.message_id, recipients.c.address, recipients.c.team)
        .where(recipients.c.message_id.in_(ids), recipients.c.state == "accepted")
        .order_by(recipients.c.message_id, recipients.c.position)
    ):
        items.setdefault(message_id, []).append(WorkItem(address=address, team=team))
    rows = connection.execute(
        select(messages, examinations.c.evidence, examinations.c.screening)
        .outerjoin_from(messages, examinations, examinations.c.message_id == messages.c.id)
        .where(messages.c.id.in_(list(items)))
        .order_by(messages.c.id)
    ).all()
    envelopes = {row.id: json.loads(row.envelope) for row in rows}
    return [
        Waiting(
            message_id=row.id,
            direction=row.direction,
            origin=row.origin,
            received_ms=row.received_ms,
            reverse_path=row.reverse_path,
            digest=bytes(row.digest),
            size=row.size,
            items=tuple(items[row.id]),
            peer_ip=envelopes[row.id].get("ip"),
            helo=envelopes[row.id].get("helo", ""),
            evidence=None if row.evidence is None else from_json(row.evidence),
            screening=row.screening,
        )
        for row in rows
    ]


def waiting_count(connection: Connection) -> int:
    """Count the messages that wait to be read."""
    statement = select(func.count(recipients.c.message_id.distinct())).where(recipients.c.state == "accepted")
    return connection.scalar(statement) or 0


def newest_revision(connection: Connection) -> int:
    """Return the number of the newest filing."""
    return connection.scalar(select(chain_head.c.revision)) or 0
