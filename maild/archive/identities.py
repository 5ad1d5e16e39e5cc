"""Accounts that an identity provider vouches for: known by issuer and subject, with the grants that its groups bring.

Never known by a mail address or a login: both can pass to another. A login that exists here is not taken over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, insert, or_, select, update

from maild.archive.accounts import (
    LoginTakenError,
    NewGrant,
    NewUser,
    User,
    add_grants,
    add_users,
    find_user,
    fold_login,
    is_login,
)
from maild.archive.audit import OPERATOR, Record, record
from maild.archive.schema import grants, users
from maild.archive.schema_sign_in import identities
from maild.errors import ForbiddenError, MaildError
from maild.mail.acts import Act
from maild.policy.roles import Role

GRANTED_BY = "oidc"
_MAX_NAME = 100


class UnusableLoginError(MaildError):
    """The provider names nobody by a word that could be a login here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Whom a provider vouches for now. `grants` are what the groups bring: team (or None) and role."""

    issuer: str
    subject: str
    login: str
    name: str
    grants: frozenset[tuple[str | None, Role]]
    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An account that a subject of a provider is to open from now on; with `subject` empty none any more."""

    login: str
    issuer: str
    subject: str
    at_ms: int


def user_of(connection: Connection, issuer: str, subject: str) -> int | None:
    """Return the id of the account that a subject opens."""
    return connection.scalar(
        select(identities.c.user_id).where(identities.c.issuer == issuer, identities.c.subject == subject)
    )


# --- units of work ------------------------------------------------------------------------------------------


def welcome(connection: Connection, arguments: list[Vouched]) -> list[User]:
    """Find or make accounts and bring their grants up to date.

    Raises LoginTakenError, UnusableLoginError, and ForbiddenError for an account that is closed.
    """
    return [_welcome(connection, vouched) for vouched in arguments]


def _welcome(connection: Connection, vouched: Vouched) -> User:
    user_id = user_of(connection, vouched.issuer, vouched.subject)
    if user_id is None:
        user_id = _make(connection, vouched)
    person = find_user(connection, connection.scalars(select(users.c.login).where(users.c.id == user_id)).one())
    if person.disabled_ms is not None:
        raise ForbiddenError(f"the account of {person.login} is closed")
    _bring_up_to_date(connection, person, replace(vouched, login=person.login))
    return person


def _make(connection: Connection, vouched: Vouched) -> int:
    if not is_login(vouched.login):
        raise UnusableLoginError("the provider names no login")
    name = "".join(c for c in vouched.name if c.isprintable())[:_MAX_NAME]
    new = NewUser(login=vouched.login, name=name, mail=None, password=None, created_ms=vouched.at_ms)
    user_id = add_users(connection, [new])[0]
    _link(connection, vouched.issuer, vouched.subject, user_id, vouched.at_ms)
    made = {"what": "made", "issuer": vouched.issuer, "subject": vouched.subject}
    _note(connection, vouched, Act.ACCOUNT, None, made)
    return user_id


def _bring_up_to_date(connection: Connection, person: User, vouched: Vouched) -> None:
    rows = connection.execute(
        select(grants).where(
            grants.c.user_id == person.id,
            grants.c.granted_by == GRANTED_BY,
            grants.c.revoked_ms.is_(None),
            or_(grants.c.until_ms.is_(None), grants.c.until_ms > vouched.at_ms),
        )
    ).all()
    held = {(row.team, row.role): row.id for row in rows}
    wanted = {(team, str(role)) for team, role in vouched.grants}
    for (team, role), grant_id in held.items():
        ends = {"until_ms": vouched.until_ms} if (team, role) in wanted else {"revoked_ms": vouched.at_ms}
        connection.execute(update(grants).where(grants.c.id == grant_id).values(ends))
        if (team, role) not in wanted:
            _note(connection, vouched, Act.REVOKED, team, {"role": role, "by": GRANTED_BY})
    for team, role in sorted(wanted - held.keys(), key=str):
        new = NewGrant(
            login=person.login, role=Role(role), team=team, from_ms=vouched.at_ms, until_ms=vouched.until_ms,
            granted_by=GRANTED_BY,
        )  # fmt: skip
        add_grants(connection, [new])
        _note(connection, vouched, Act.GRANTED, team, {"role": role, "by": GRANTED_BY})


def link_identities(connection: Connection, arguments: list[Link]) -> list[None]:
    """Tie accounts to subjects. Raises NotFoundError, and LoginTakenError for a subject that opens another account."""
    for asked in arguments:
        person = find_user(connection, asked.login)
        owner = user_of(connection, asked.issuer, asked.subject)
        if owner not in {None, person.id}:
            raise LoginTakenError("that subject opens another account")
        connection.execute(
            delete(identities).where(identities.c.user_id == person.id, identities.c.issuer == asked.issuer)
        )
        if asked.subject:
            _link(connection, asked.issuer, asked.subject, person.id, asked.at_ms)
        details = {"what": "identity", "issuer": asked.issuer, "subject": asked.subject}
        done = Record(at_ms=asked.at_ms, actor=OPERATOR, act=Act.CREDENTIAL, about=person.login, details=details)
        record(connection, [done])
    return [None] * len(arguments)


def _link(connection: Connection, issuer: str, subject: str, user_id: int, at_ms: int) -> None:
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_ms": at_ms}
    connection.execute(insert(identities).values(row))


def _note(connection: Connection, by: Vouched, act: Act, team: str | None, details: dict[str, str]) -> None:
    login = fold_login(by.login)
    record(connection, [Record(at_ms=by.at_ms, actor="", act=act, team=team or "", about=login, details=details)])
