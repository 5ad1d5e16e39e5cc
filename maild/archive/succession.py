"""What successors are told of those who leave, until they have seen it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from maild.archive.accounts import name_or
from maild.archive.schema import conversations, users
from maild.archive.schema_absences import handovers


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What somebody got from who leaves: references and inboxes."""

    id: int
    from_name: str
    at_ms: int
    got: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAway:
    """A successor has seen what they got."""

    id: int
    user_id: int
    at_ms: int


def handovers_to(connection: Connection, user_id: int, inboxes: Iterable[str]) -> tuple[Handover, ...]:
    """Return what somebody got and has not put away, of inboxes that they still may see."""
    seen = set(inboxes)
    rows = connection.execute(
        select(handovers, name_or(handovers.c.from_login).label("name"))
        .outerjoin(users, users.c.login == handovers.c.from_login)
        .where(handovers.c.user_id == user_id, handovers.c.seen_ms.is_(None))
        .order_by(handovers.c.id)
    ).all()
    found = []
    for row in rows:
        keys = [(number, team) for number, team in json.loads(row.got) if team in seen]
        asked = select(conversations.c.id, conversations.c.reference)
        named = connection.execute(asked.where(conversations.c.id.in_([number for number, _ in keys])))
        known = {each.id: each.reference for each in named}
        got = tuple((known[number], team) for number, team in keys if number in known)
        found.append(Handover(id=row.id, from_name=row.name, at_ms=row.at_ms, got=got))
    return tuple(found)


def tell_successors(
    connection: Connection, from_login: str, got: Mapping[int, list[tuple[int, str]]], at_ms: int
) -> None:
    """Write down what each successor got, as conversations and inboxes, within the unit that hands it over."""
    rows = [
        {"user_id": user_id, "from_login": from_login, "at_ms": at_ms, "got": json.dumps(them)}
        for user_id, them in sorted(got.items())
    ]
    if rows:
        connection.execute(insert(handovers), rows)


def put_away(connection: Connection, arguments: list[PutAway]) -> list[None]:
    """Note that successors have seen what they got. A unit of work."""
    for read in arguments:
        own = (handovers.c.id == read.id, handovers.c.user_id == read.user_id)
        connection.execute(update(handovers).where(*own).values(seen_ms=read.at_ms))
    return [None] * len(arguments)
