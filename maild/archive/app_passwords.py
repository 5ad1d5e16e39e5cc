"""Passwords for mail programs: one for each device, made by maild, shown once, revoked one by one.

A password begins with letters that name its row, which are no secret, and ends in 24 letters of chance. So each try
costs one computation, however many passwords an account has, and one for accounts that do not exist.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from maild.archive.accounts import fold_login
from maild.archive.audit import OPERATOR, Record, record
from maild.archive.schema import users
from maild.archive.schema_outgoing import app_passwords
from maild.errors import MaildError, NotFoundError
from maild.mail.acts import Act

MAX_NAME = 80  # characters
_LETTERS = "abcdefghjkmnpqrstuvwxyz"  # without i, l and o, which look like others
_SECRET = 24  # letters: 108 bits
_GROUP = 4
_TOUCH_MS = 60_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAppPassword:
    """A password to keep. `password` is a PHC string of what `new_secret` gave."""

    login: str
    name: str
    password: str
    at_ms: int
    by: str = OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPassword:
    """A password as its owner sees it in a list."""

    id: int
    name: str
    created_ms: int
    used_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A password is taken back; only its owner's are found."""

    login: str
    id: int
    at_ms: int
    by: str = OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A password was used."""

    id: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The password that somebody claims to have, and whose it is."""

    id: int
    user_id: int
    login: str
    password: str  # PHC


def new_secret() -> str:
    """Return the secret letters of a new password."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_SECRET))


def shown(password_id: int, secret: str) -> str:
    """Return a password as its owner copies it: in groups of four letters."""
    letters = _number(password_id) + secret
    return " ".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def parted(password: str) -> tuple[int | None, str]:
    """Return the row that a password names (None: it is no password of ours), and its secret letters."""
    letters = "".join(password.split()).lower()
    number, secret = letters[:-_SECRET], letters[-_SECRET:]
    if len(letters) > 2 * _SECRET or not number or not set(letters) <= set(_LETTERS):
        return None, secret
    value = 0
    for letter in number:
        value = value * len(_LETTERS) + _LETTERS.index(letter)
    return (value if value < 1 << 63 else None), secret


def _number(value: int) -> str:
    letters = ""
    while value:
        value, rest = divmod(value, len(_LETTERS))
        letters = _LETTERS[rest] + letters
    whole = -(-max(len(letters), 1) // _GROUP) * _GROUP
    return letters.rjust(whole, _LETTERS[0])


def app_passwords_of(connection: Connection, login: str) -> tuple[AppPassword, ...]:
    """Return the passwords of an account that were not revoked, oldest first."""
    columns = [app_passwords.c[name] for name in AppPassword.__dataclass_fields__]
    rows = connection.execute(
        select(*columns)
        .join(users, users.c.id == app_passwords.c.user_id)
        .where(users.c.login == fold_login(login), app_passwords.c.revoked_ms.is_(None))
        .order_by(app_passwords.c.id)
    ).mappings()
    return tuple(AppPassword(**row) for row in rows)


def find_app_password(connection: Connection, login: str, password_id: int | None) -> Found | None:
    """Return a password that holds, of an account that is open; None for any other."""
    if password_id is None:
        return None
    row = connection.execute(
        select(app_passwords.c.id, app_passwords.c.user_id, app_passwords.c.password, users.c.login)
        .join(users, users.c.id == app_passwords.c.user_id)
        .where(
            app_passwords.c.id == password_id,
            app_passwords.c.revoked_ms.is_(None),
            users.c.login == fold_login(login),
            users.c.disabled_ms.is_(None),
        )
    ).first()
    return None if row is None else Found(id=row.id, user_id=row.user_id, login=row.login, password=row.password)


# --- units of work -------------------------------------------------------------------------------------------


def add_app_passwords(connection: Connection, arguments: list[NewAppPassword]) -> list[int]:
    """Keep passwords; returns the ids that name them. Raises NotFoundError, and MaildError for a name that is none."""
    return [_add(connection, new) for new in arguments]


def _add(connection: Connection, new: NewAppPassword) -> int:
    if not new.name.isprintable() or not 0 < len(new.name.strip()) <= MAX_NAME:
        raise MaildError(f"name the device in one line of at most {MAX_NAME} characters")
    user_id = connection.scalar(select(users.c.id).where(users.c.login == fold_login(new.login)))
    if user_id is None:
        raise NotFoundError(f"there is no user {new.login}")
    made: Any = connection.execute(
        insert(app_passwords).values(
            user_id=user_id, name=new.name.strip(), password=new.password, created_ms=new.at_ms
        )
    )
    password_id = int(made.inserted_primary_key[0])
    _note(connection, new.by, new.login, new.at_ms, {"what": "app password", "id": password_id, "name": new.name})
    return password_id


def revoke_app_passwords(connection: Connection, arguments: list[Withdrawal]) -> list[None]:
    """Take passwords back; sessions that were opened with them hand in nothing more. Raises NotFoundError."""
    for asked in arguments:
        owner = select(users.c.id).where(users.c.login == fold_login(asked.login)).scalar_subquery()
        changed: Any = connection.execute(
            update(app_passwords)
            .where(
                app_passwords.c.id == asked.id,
                app_passwords.c.user_id == owner,
                app_passwords.c.revoked_ms.is_(None),
            )
            .values(revoked_ms=asked.at_ms)
        )
        if not changed.rowcount:
            raise NotFoundError(f"{asked.login} has no password {asked.id}, or it was revoked before")
        _note(connection, asked.by, asked.login, asked.at_ms, {"what": "app password revoked", "id": asked.id})
    return [None] * len(arguments)


def _note(connection: Connection, by: str, login: str, at_ms: int, details: dict[str, object]) -> None:
    done = Record(at_ms=at_ms, actor=by, act=Act.CREDENTIAL, about=fold_login(login), details=details)
    record(connection, [done])


def touch_app_passwords(connection: Connection, arguments: list[Used]) -> list[None]:
    """Remember when passwords were used last, to the minute; each one's first use of a day is in the audit log."""
    for used in arguments:
        row = connection.execute(
            select(app_passwords.c.name, app_passwords.c.used_ms, users.c.login)
            .join(users, users.c.id == app_passwords.c.user_id)
            .where(app_passwords.c.id == used.id)
        ).first()
        if row is None or (row.used_ms is not None and row.used_ms >= used.at_ms - _TOUCH_MS):
            continue
        connection.execute(update(app_passwords).where(app_passwords.c.id == used.id).values(used_ms=used.at_ms))
        if row.used_ms is None or row.used_ms // _DAY_MS < used.at_ms // _DAY_MS:
            details = {"what": "mail program", "device": row.name}
            record(connection, [
                Record(at_ms=used.at_ms, actor=row.login, act=Act.SIGNED_IN, about=row.login, details=details)
            ])  # fmt: skip
    return [None] * len(arguments)


def is_account(connection: Connection, login: str) -> bool:
    """Tell whether there is an account of a login."""
    return connection.scalar(select(users.c.id).where(users.c.login == fold_login(login))) is not None
