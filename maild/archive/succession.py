"""What successors are told of those who leave, until they have seen it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from maild.archive.schema import conversations, users
from maild.archive.schema_absences import handovers


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What somebody got from who leaves: references and inboxes."""

    id: int
    from_name: str
    at_ms: int
    got: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A successor has seen what they got."""

    id: int
    user_id: int
    at_ms: int


def letters_to(connection: Connection, user_id: int, inboxes: Iterable[str]) -> tuple[Letter, ...]:
    """Return what somebody got and has not put away, of inboxes that they still may see."""
    seen = set(inboxes)
    rows = connection.execute(
        select(handovers, func.coalesce(func.nullif(users.c.name, ""), handovers.c.from_login).label("name"))
        .outerjoin(users, users.c.login == handovers.c.from_login)
        .where(handovers.c.user_id == user_id, handovers.c.seen_ms.is_(None))
        .order_by(handovers.c.id)
    ).all()
    letters = []
    for row in rows:
        keys = [(number, team) for number, team in json.loads(row.got) if team in seen]
        asked = select(conversations.c.id, conversations.c.reference)
        named = connection.execute(asked.where(conversations.c.id.in_([number for number, _ in keys])))
        known = {each.id: each.reference for each in named}
        got = tuple((known[number], team) for number, team in keys if number in known)
        letters.append(Letter(id=row.id, from_name=row.name, at_ms=row.at_ms, got=got))
    return tuple(letters)


def put_away(connection: Connection, arguments: list[Read]) -> list[None]:
    """Note that successors have seen what they got. A unit of work."""
    for read in arguments:
        own = (handovers.c.id == read.id, handovers.c.user_id == read.user_id)
        connection.execute(update(handovers).where(*own).values(seen_ms=read.at_ms))
    return [None] * len(arguments)
