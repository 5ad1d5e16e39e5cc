"""People and what they were granted.

Reads take a connection. Writes have the form of the writer's units: `unit(connection, arguments) -> results`,
one result for each argument; they raise a MaildError when an argument cannot be carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from maild.archive.audit import OPERATOR, Record, record
from maild.archive.commit import lock_head
from maild.archive.questions import Question
from maild.archive.schema import grants, sessions, users
from maild.errors import ForbiddenError, MaildError, NotFoundError
from maild.mail.acts import Act
from maild.mail.address import fold
from maild.policy.grants import Grant, Principal
from maild.policy.roles import LENT, TEAM_ROLES, Role

_MAX_LOGIN = 64  # characters
_NOBODY = frozenset({OPERATOR, "oidc", "maild"})  # whom the audit log, grants and duties name where no person acted


class LoginTakenError(MaildError):
    """An account of that login exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account, without its password."""

    id: int
    login: str
    name: str
    mail: str | None
    language: str | None
    created_ms: int
    disabled_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """An account to make. `password` is a PHC string; None cannot sign in by password."""

    login: str
    name: str
    mail: str | None
    password: str | None
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """A password to set. Every session of the person ends with it, but for `keep`: the one it is set in."""

    login: str
    password: str | None
    at_ms: int
    by: str = OPERATOR
    keep: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabling:
    """An account to close (or, with `disabled_ms` None, to open again)."""

    login: str
    disabled_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A permission to give to `login`."""

    login: str
    role: Role
    team: str | None
    from_ms: int
    until_ms: int | None
    granted_by: str
    only_assigned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A permission to take back: every grant of that team and role that still holds."""

    login: str
    role: Role
    team: str | None
    revoked_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A person's choice of language, or the inbox they left last; None leaves as it is."""

    user_id: int
    language: str | None = None
    last_path: str | None = None


def is_login(text: str) -> bool:
    """Say whether people can type this, and tell it from another, when they sign in."""
    # Security: the audit log would name somebody of that login as who sits at the machine, or as no person at all.
    if fold_login(text) in _NOBODY:
        return False
    return text.isprintable() and 0 < len(text) <= _MAX_LOGIN and not any(c.isspace() for c in text)


def fold_login(login: str) -> str:
    """Return the form in which logins are stored and compared."""
    return fold(login.strip())


def _user(row: Row[tuple[object, ...]]) -> User:
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's public mapping view of a row, in spite of its name
    return User(**{name: fields[name] for name in User.__dataclass_fields__})


_USER_COLUMNS = [users.c[name] for name in User.__dataclass_fields__]


def find_user(connection: Connection, login: str) -> User:
    """Return the account; raises NotFoundError."""
    row = connection.execute(select(*_USER_COLUMNS).where(users.c.login == fold_login(login))).first()
    if row is None:
        raise NotFoundError(f"there is no user {login}")
    return _user(row)


def list_users(connection: Connection) -> list[User]:
    """Return all accounts by login."""
    return [_user(row) for row in connection.execute(select(*_USER_COLUMNS).order_by(users.c.login))]


def stored_password(connection: Connection, login: str) -> tuple[int | None, str | None]:
    """Return id and PHC string of an account that may sign in; (None, None) for any other."""
    row = connection.execute(
        select(users.c.id, users.c.password).where(
            users.c.login == fold_login(login), users.c.disabled_ms.is_(None), users.c.password.is_not(None)
        )
    ).first()
    return (None, None) if row is None else (row.id, row.password)


def open_grants(connection: Connection) -> dict[int, tuple[Grant, ...]]:
    """Return the grants that were not taken back of everybody whose account is open, by the id of the person."""
    rows = _OPEN_GRANTS.rows(connection)
    return {user_id: _grants(held) for user_id, held in groupby(rows, key=lambda row: row.user_id)}


def grants_of(connection: Connection, user_id: int) -> tuple[Grant, ...]:
    """Return every grant ever given to a person; roles that this version does not know are left out."""
    return _grants(_GRANTS.rows(connection, user=user_id))


_OPEN_GRANTS = Question(
    lambda: (
        select(grants)
        .join(users, users.c.id == grants.c.user_id)
        .where(users.c.disabled_ms.is_(None), grants.c.revoked_ms.is_(None))
        .order_by(grants.c.user_id, grants.c.id)
    )
)
_GRANTS = Question(lambda: select(grants).where(grants.c.user_id == bindparam("user")).order_by(grants.c.id))
_ROLES = frozenset(map(str, Role))


def _grants(rows: Iterable[Any]) -> tuple[Grant, ...]:
    return tuple(
        Grant(
            role=Role(row.role),
            team=row.team,
            from_ms=row.from_ms,
            until_ms=row.until_ms,
            revoked_ms=row.revoked_ms,
            only_assigned=bool(row.only_assigned),
        )
        for row in rows
        if row.role in _ROLES
    )


def principal(connection: Connection, user_id: int) -> Principal | None:
    """Return a person with their grants; None when the account is gone or disabled."""
    row = _OPEN_ACCOUNT.first(connection, user=user_id)
    if row is None:
        return None
    return Principal(
        user_id=row.id,
        login=row.login,
        name=row.name,
        language=row.language,
        grants=grants_of(connection, user_id),
    )


_OPEN_ACCOUNT = Question(
    lambda: select(*_USER_COLUMNS).where(users.c.id == bindparam("user"), users.c.disabled_ms.is_(None))
)


def acting_principal(connection: Connection, user_id: int) -> Principal:
    """Return who carries out an act, with their grants. Raises ForbiddenError for an account that was closed."""
    who = principal(connection, user_id)
    if who is None:
        raise ForbiddenError("the account was closed")
    return who


def last_path(connection: Connection, user_id: int) -> str | None:
    """Return where a person was last."""
    path: str | None = _LAST_PATH.scalar(connection, user=user_id)
    return path


_LAST_PATH = Question(lambda: select(users.c.last_path).where(users.c.id == bindparam("user")))


def name_or(otherwise: ColumnElement[str], person: FromClause = users) -> ColumnElement[str]:
    """Return the name of a person as colleagues read it; where there is none, what is given, such as the login."""
    return func.coalesce(func.nullif(person.c.name, ""), otherwise)


def names(connection: Connection, user_ids: set[int]) -> dict[int, str]:
    """Return the names of people by id."""
    found = connection.execute(select(users.c.id, users.c.name, users.c.login).where(users.c.id.in_(user_ids)))
    return {row.id: row.name or row.login for row in found}


def people_granted(
    connection: Connection, teams: set[str], roles: set[Role], now_ms: int, *, only_assigned: bool = False
) -> list[User]:
    """Return those who hold one of `roles` in one of `teams` now, by name; as a whole, or for assigned entries."""
    found = _GRANTED.rows(
        connection, teams=teams, roles=[str(role) for role in roles], now=now_ms, assigned=int(only_assigned)
    )
    return [User(**row._asdict()) for row in found]


def _granted() -> Select[Any]:
    now = bindparam("now", type_=grants.c.from_ms.type)
    holding = (
        select(grants.c.user_id)
        .where(
            grants.c.team.in_(bindparam("teams", expanding=True)),
            grants.c.role.in_(bindparam("roles", expanding=True)),
            grants.c.only_assigned == bindparam("assigned"),
            grants.c.from_ms <= now,
            or_(grants.c.until_ms.is_(None), grants.c.until_ms > now),
            or_(grants.c.revoked_ms.is_(None), grants.c.revoked_ms > now),
        )
        .distinct()
    )
    return (
        select(*_USER_COLUMNS)
        .where(users.c.id.in_(holding), users.c.disabled_ms.is_(None))
        .order_by(users.c.name, users.c.login)
    )


_GRANTED = Question(_granted)


# --- writes -------------------------------------------------------------------------------------------------


def add_users(connection: Connection, arguments: list[NewUser]) -> list[int]:
    """Make accounts; returns their ids. Raises LoginTakenError."""
    return [_add_user(connection, new) for new in arguments]


def _add_user(connection: Connection, new: NewUser) -> int:
    login = fold_login(new.login)
    if connection.scalar(select(users.c.id).where(users.c.login == login)) is not None:
        raise LoginTakenError(f"there is a user {login} already")
    made: Any = connection.execute(
        insert(users).values(
            login=login, name=new.name, mail=new.mail, password=new.password, created_ms=new.created_ms
        )
    )
    return int(made.inserted_primary_key[0])


def _id_of(connection: Connection, login: str) -> int:
    found = connection.scalar(select(users.c.id).where(users.c.login == fold_login(login)))
    if found is None:
        raise NotFoundError(f"there is no user {login}")
    return int(found)


def set_passwords(connection: Connection, arguments: list[NewPassword]) -> list[None]:
    """Set passwords and end the sessions that the old ones opened. Raises NotFoundError."""
    lock_head(connection)  # a session that is opened at this moment comes before, and ends, or after, and is refused
    for new in arguments:
        user_id = _id_of(connection, new.login)
        connection.execute(update(users).where(users.c.id == user_id).values(password=new.password))
        connection.execute(delete(sessions).where(sessions.c.user_id == user_id, sessions.c.digest != new.keep))
        done = Record(
            at_ms=new.at_ms,
            actor=new.by,
            act=Act.CREDENTIAL,
            about=fold_login(new.login),
            details={"what": "password"},
        )
        record(connection, [done])
    return [None] * len(arguments)


def disable_users(connection: Connection, arguments: list[Disabling]) -> list[None]:
    """Close accounts; all their sessions end at once. Raises NotFoundError."""
    lock_head(connection)  # as with passwords
    for change in arguments:
        user_id = _id_of(connection, change.login)
        connection.execute(update(users).where(users.c.id == user_id).values(disabled_ms=change.disabled_ms))
        connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    return [None] * len(arguments)


def add_grants(connection: Connection, arguments: list[NewGrant]) -> list[int]:
    """Give permissions; returns the ids of the grants. Raises NotFoundError and, for nonsense, MaildError."""
    return [_add_grant(connection, new) for new in arguments]


def _add_grant(connection: Connection, new: NewGrant) -> int:
    if (new.role in TEAM_ROLES) is (new.team is None):
        raise MaildError(f"the role {new.role} " + ("belongs to a team" if new.team is None else "has no team"))
    if new.only_assigned and new.role not in LENT:
        raise MaildError(f"a {new.role} sees the whole inbox")
    made: Any = connection.execute(
        insert(grants).values(
            user_id=_id_of(connection, new.login),
            team=new.team,
            role=str(new.role),
            from_ms=new.from_ms,
            until_ms=new.until_ms,
            granted_by=new.granted_by,
            only_assigned=int(new.only_assigned),
        )
    )
    return int(made.inserted_primary_key[0])


def revoke_grants(connection: Connection, arguments: list[Revocation]) -> list[int]:
    """Take permissions back; returns how many grants each one ended. Raises NotFoundError."""
    return [_revoke(connection, change) for change in arguments]


def _revoke(connection: Connection, change: Revocation) -> int:
    ended = connection.execute(
        update(grants)
        .where(
            grants.c.user_id == _id_of(connection, change.login),
            grants.c.role == str(change.role),
            grants.c.team == change.team if change.team is not None else grants.c.team.is_(None),
            grants.c.revoked_ms.is_(None),
        )
        .values(revoked_ms=change.revoked_ms)
    )
    return ended.rowcount


def set_preferences(connection: Connection, arguments: list[Preference]) -> list[None]:
    """Remember a choice."""
    for choice in arguments:
        values = {
            name: value
            for name, value in (("language", choice.language), ("last_path", choice.last_path))
            if value is not None
        }
        if values:
            connection.execute(update(users).where(users.c.id == choice.user_id).values(values))
    return [None] * len(arguments)
