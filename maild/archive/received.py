"""Archived mail as it came: envelope and work items, a page at a time, for whoever asks the rules again.

Nothing here is shown to people by team: it is for who runs maild, and for who may edit the rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, true

from maild.archive.examinations import verdicts_between
from maild.archive.replies import replies_between
from maild.archive.schema import messages, recipients
from maild.mail.authentication import Verdicts
from maild.mail.ids import message_id_at


class Received(NamedTuple):
    """A message and those of its recipients that the rules were asked about.

    `peer_ip` is who handed it over, None for imported mail. `reply`: it joined an older conversation; None: not known.
    `verdicts` are those of its time, None where nobody had looked who sent it.
    """

    message_id: int
    received_ms: int
    reverse_path: str | None
    digest: bytes
    size: int
    addresses: tuple[str, ...]
    peer_ip: str | None
    reply: bool | None
    verdicts: Verdicts | None


def received_count(connection: Connection, since_ms: int, until_ms: int) -> int:
    """Count what `received` will go through, mail of which no recipient counts included."""
    return connection.scalar(select(func.count()).select_from(messages).where(_within(since_ms, until_ms))) or 0


def received(
    connection: Connection,
    since_ms: int,
    until_ms: int,
    page: int,
    *,
    with_replies: bool = False,
    with_verdicts: bool = True,
    newest_first: bool = False,
) -> Iterator[list[Received]]:
    """Yield the incoming mail of a time, oldest first unless told otherwise, at most `page` at once.

    Whether a message is a reply is looked up when `with_replies` wants it; verdicts are when `with_verdicts` does.

    Left out: recipients for which the mail was a duplicate, and mail that was imported to a team, past the rules.
    """
    names = ("id", "received_ms", "reverse_path", "digest", "size", "envelope")
    order = messages.c.id.desc() if newest_first else messages.c.id
    columns = [messages.c[name] for name in names]
    statement = select(*columns).where(_within(since_ms, until_ms)).order_by(order).limit(page)
    further = true()
    while rows := connection.execute(statement.where(further)).all():
        low, high = sorted((rows[0].id, rows[-1].id))
        further = messages.c.id < low if newest_first else messages.c.id > high
        addressed = _addresses(connection, low, high)
        answers = replies_between(connection, low, high) if with_replies else {}
        verdicts = verdicts_between(connection, low, high) if with_verdicts else {}
        yield [
            Received(
                message_id=row.id,
                received_ms=row.received_ms,
                reverse_path=row.reverse_path,
                digest=bytes(row.digest),
                size=row.size,
                addresses=tuple(addressed.get(row.id, ())),
                peer_ip=json.loads(row.envelope).get("ip"),
                reply=answers.get(row.id),
                verdicts=verdicts.get(row.id),
            )
            for row in rows
        ]


def _within(since_ms: int, until_ms: int) -> ColumnElement[bool]:
    by_time = (messages.c.id >= message_id_at(since_ms, 0)) & (messages.c.id < message_id_at(until_ms, 0))
    return by_time & (messages.c.direction == "in")


def _addresses(connection: Connection, first: int, last: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for message_id, address in connection.execute(
        select(recipients.c.message_id, recipients.c.address)
        .where(
            recipients.c.message_id.between(first, last),
            recipients.c.state != "duplicate",
            recipients.c.team.is_(None),
            recipients.c.address != "",
        )
        .order_by(recipients.c.message_id, recipients.c.position)
    ):
        found.setdefault(message_id, []).append(address)
    return found
