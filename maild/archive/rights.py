"""Giving and taking back roles, as people do it: decided again within the transaction, and in the audit log.

Who asks may have lost the right a moment ago; the unit of work looks once more, so that no act outlives it. What is
given by somebody who does not manage the team is told to those who do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, false, insert, or_, select, update

from maild.archive.accounts import (
    NewGrant,
    Revocation,
    User,
    acting_principal,
    add_grants,
    find_user,
    grants_of,
    list_users,
    revoke_grants,
)
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.schema import grants, users
from maild.archive.schema_people import rights_notices
from maild.errors import ForbiddenError
from maild.mail.acts import Act
from maild.policy.granting import Teams, ending, managed, may_grant, may_revoke
from maild.policy.grants import Grant
from maild.policy.roles import Role

_ROOM = 500  # of names in one condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who gives or takes back, and by which rules. `user_id` None is the operator at the command line, who may all."""

    actor: str
    user_id: int | None
    teams: Teams
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """A role to give."""

    by: Asker
    grant: NewGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """A role to take back."""

    by: Asker
    revocation: Revocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with the roles that hold, or will."""

    user: User
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A role that ends soon, with nothing to follow."""

    user_id: int
    login: str
    name: str
    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsNotice:
    """Somebody got a role in a team from who does not manage it."""

    id: int
    team: str
    login: str
    role: str
    given_by: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A manager has taken note of what was told, up to one notice."""

    login: str
    inboxes: frozenset[str]
    up_to: int
    at_ms: int


def people(connection: Connection, inboxes: frozenset[str] | None, now_ms: int) -> list[Person]:
    """Return those who hold or will hold a role in `inboxes`, with these roles alone; None is everybody, with all."""
    held: dict[int, list[Grant]] = {}
    for row in connection.execute(_living(inboxes, now_ms).order_by(grants.c.team, grants.c.id)):
        if row.role in set(Role):  # others are of a newer version
            grant = Grant(
                role=Role(row.role), team=row.team, from_ms=row.from_ms, until_ms=row.until_ms,
                only_assigned=bool(row.only_assigned),
            )  # fmt: skip
            held.setdefault(row.user_id, []).append(grant)
    found = [Person(user=user, grants=tuple(held.get(user.id, ()))) for user in list_users(connection)]
    return found if inboxes is None else [person for person in found if person.grants]


def _living(inboxes: frozenset[str] | None, now_ms: int) -> Any:
    asked = select(grants).where(
        grants.c.revoked_ms.is_(None), or_(grants.c.until_ms.is_(None), grants.c.until_ms > now_ms)
    )
    return asked if inboxes is None else asked.where(_within(grants.c.team, inboxes))


def _within(column: Any, inboxes: Iterable[str]) -> Any:
    names = sorted(inboxes)
    parts = [column.in_(names[at : at + _ROOM]) for at in range(0, len(names), _ROOM)]
    return or_(false(), *parts)


def endings(connection: Connection, inboxes: frozenset[str], now_ms: int, within_ms: int) -> list[Ending]:
    """Return the roles in `inboxes` that end soon, of open accounts."""
    soon = _living(inboxes, now_ms).where(grants.c.until_ms <= now_ms + within_ms).subquery()
    rows = connection.execute(
        select(users.c.id, users.c.login, users.c.name)
        .where(users.c.id.in_(select(soon.c.user_id)), users.c.disabled_ms.is_(None))
        .order_by(users.c.login)
    )
    return [
        Ending(user_id=row.id, login=row.login, name=row.name or row.login, grant=grant)
        for row in rows.all()
        for grant in ending(grants_of(connection, row.id), now_ms, within_ms)
        if grant.team in inboxes
    ]


def notices(connection: Connection, inboxes: frozenset[str], login: str, limit: int) -> list[RightsNotice]:
    """Return what the managers of `inboxes` have not taken note of, the oldest first; nothing about oneself."""
    names = tuple(RightsNotice.__dataclass_fields__)
    rows = connection.execute(
        select(*(rights_notices.c[name] for name in names))
        .where(*_unseen(inboxes, login))
        .order_by(rights_notices.c.id)
        .limit(limit)
    ).mappings()
    return [RightsNotice(**row) for row in rows]


def _unseen(inboxes: frozenset[str], login: str) -> tuple[Any, ...]:
    about = rights_notices.c
    return (about.seen_ms.is_(None), _within(about.team, inboxes), about.login != login, about.given_by != login)


# --- units of work -------------------------------------------------------------------------------------------


def give(connection: Connection, arguments: list[Giving]) -> Sequence[int]:
    """Give roles; returns the ids of the grants. Raises NotFoundError and ForbiddenError."""
    return [_give(connection, each) for each in arguments]


def _give(connection: Connection, giving: Giving) -> int:
    lock_head(connection)
    new, by = giving.grant, giving.by
    login = find_user(connection, new.login).login
    who = None if by.user_id is None else acting_principal(connection, by.user_id)
    if who is not None and not may_grant(who, login, new.role, new.team, teams=by.teams, now_ms=by.at_ms):
        raise ForbiddenError("that role is not theirs to give")
    (number,) = add_grants(connection, [new])
    dated = {"from_ms": new.from_ms, "until_ms": new.until_ms, **({"only_assigned": True} if new.only_assigned else {})}
    record(connection, [_done(by, Act.GRANTED, login, new.team, role=str(new.role), **dated)])
    if new.team is not None and (who is None or new.team not in managed(who, by.teams, by.at_ms)):
        told = {"team": new.team, "login": login, "role": str(new.role), "given_by": by.actor, "at_ms": by.at_ms}
        connection.execute(insert(rights_notices).values(**told))
    return number


def take(connection: Connection, arguments: list[Taking]) -> Sequence[int]:
    """Take roles back; returns how many grants each one ended. Raises NotFoundError and ForbiddenError."""
    return [_take(connection, each) for each in arguments]


def _take(connection: Connection, taking: Taking) -> int:
    lock_head(connection)
    old, by = taking.revocation, taking.by
    login = find_user(connection, old.login).login
    who = None if by.user_id is None else acting_principal(connection, by.user_id)
    if who is not None and not may_revoke(who, old.role, old.team, teams=by.teams, now_ms=by.at_ms):
        raise ForbiddenError("that role is not theirs to take back")
    (ended,) = revoke_grants(connection, [old])
    if ended:
        record(connection, [_done(by, Act.REVOKED, login, old.team, role=str(old.role))])
    return ended


def _done(by: Asker, act: Act, login: str, team: str | None, **details: Any) -> Record:
    return Record(at_ms=by.at_ms, actor=by.actor, act=act, team=team or "", about=login, details=details)


def take_note(connection: Connection, arguments: list[Noted]) -> Sequence[int]:
    """Note that a manager has seen what was told; returns how many notices that were."""
    return [
        connection.execute(
            update(rights_notices)
            .where(*_unseen(noted.inboxes, noted.login), rights_notices.c.id <= noted.up_to)
            .values(seen_by=noted.login, seen_ms=noted.at_ms)
        ).rowcount
        for noted in arguments
    ]
