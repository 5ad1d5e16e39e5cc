"""Second factors: the app that shows six digits, passkeys, and codes on paper for when they are gone.

A code of the app opens once: its step is remembered in the statement that takes it, so that of two tries at the same
moment one is refused. Codes on paper have 80 bits of chance; their SHA-256 is enough to know them by.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.schema_sign_in import passkeys, recovery_codes, totp
from maild.archive.sessions import require_session, strengthen
from maild.archive.sign_in_notices import Told, tell
from maild.mail.acts import Act

CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without 0, 1, i, l and o, which look like others
_LENGTH = 16  # 79 bits
_GROUP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What a person has besides a password. `secret` is sealed."""

    secret: bytes | None
    since_ms: int | None
    last_step: int
    codes_left: int
    passkeys: int = 0

    @property
    def any(self) -> bool:
        """Tell whether a password alone is not enough."""
        return self.secret is not None or self.passkeys > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTotp:
    """An app to know from now on, with fresh codes on paper; those before end. `session` was there and proved it."""

    user_id: int
    login: str
    secret: bytes
    step: int
    codes: tuple[bytes, ...]
    session: bytes
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCodes:
    """Fresh codes on paper, in place of those before."""

    user_id: int
    login: str
    codes: tuple[bytes, ...]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The code of a step was typed."""

    user_id: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A code on paper was typed."""

    user_id: int
    login: str
    code: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A second factor is to go: the app, or with `everything` the passkeys, too. `by` is who says so."""

    user_id: int
    login: str
    by: str
    at_ms: int
    everything: bool = False


def new_codes() -> tuple[str, ...]:
    """Draw codes for a sheet of paper, in groups of four letters."""
    drawn = ("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(CODES))
    return tuple("-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in drawn)


def code_digest(code: str) -> bytes:
    """Return what the database knows of a code on paper, however it is spaced."""
    letters = "".join(c for c in code.lower() if c.isalnum())
    return hashlib.sha256(letters.encode("utf-8", "surrogatepass")).digest()


def factors_of(connection: Connection, user_id: int) -> Factors:
    """Return a person's second factors."""
    row = connection.execute(select(totp).where(totp.c.user_id == user_id)).first()
    left = connection.scalar(
        select(func.count())
        .select_from(recovery_codes)
        .where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_ms.is_(None))
    )
    keys = connection.scalar(select(func.count()).select_from(passkeys).where(passkeys.c.user_id == user_id))
    return Factors(
        secret=None if row is None else bytes(row.secret),
        since_ms=None if row is None else row.created_ms,
        last_step=-1 if row is None else row.last_step,
        codes_left=left or 0,
        passkeys=keys or 0,
    )


def who_has_factors(connection: Connection) -> dict[int, tuple[bool, int]]:
    """Return who has a second factor: whether an app, and how many passkeys."""
    apps = frozenset(connection.scalars(select(totp.c.user_id)))
    keys: dict[int, int] = {
        row.user_id: row.number
        for row in connection.execute(
            select(passkeys.c.user_id, func.count().label("number")).group_by(passkeys.c.user_id)
        )
    }
    return {user_id: (user_id in apps, keys.get(user_id, 0)) for user_id in apps | keys.keys()}


def forget_second_factor(connection: Connection, user_id: int) -> bool:
    """Remove app, passkeys and codes, within a unit that says so in the audit log; tells whether there was one."""
    keys = connection.execute(delete(passkeys).where(passkeys.c.user_id == user_id)).rowcount
    return _forget_app(connection, user_id) or keys > 0


def _forget_app(connection: Connection, user_id: int) -> bool:
    had = connection.execute(delete(totp).where(totp.c.user_id == user_id)).rowcount > 0
    forget_unused_codes(connection, user_id)
    return had


def forget_unused_codes(connection: Connection, user_id: int) -> None:
    """Remove the codes on paper of a person who has no second factor any more."""
    if not factors_of(connection, user_id).any:
        connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))


# --- units of work ------------------------------------------------------------------------------------------


def set_totp(connection: Connection, arguments: list[NewTotp]) -> list[None]:
    """Know apps from now on. Raises ForbiddenError."""
    lock_head(connection)
    for new in arguments:
        require_session(connection, new.session, new.user_id)
        replaced = _forget_app(connection, new.user_id)
        connection.execute(
            insert(totp).values(user_id=new.user_id, secret=new.secret, created_ms=new.at_ms, last_step=new.step)
        )
        put_codes(connection, new.user_id, new.codes)
        strengthen(connection, new.session, new.user_id, "totp", new.at_ms)
        what = "second factor replaced" if replaced else "second factor"
        note_credential(connection, new.login, new.login, new.at_ms, what=what)
    return [None] * len(arguments)


def renew_codes(connection: Connection, arguments: list[NewCodes]) -> list[None]:
    """Put fresh codes in the place of the old ones."""
    for new in arguments:
        put_codes(connection, new.user_id, new.codes)
        note_credential(connection, new.login, new.login, new.at_ms, what="recovery codes")
    return [None] * len(arguments)


def put_codes(connection: Connection, user_id: int, codes: tuple[bytes, ...]) -> None:
    """Put codes on paper in the place of those before, within a unit."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    connection.execute(insert(recovery_codes), [{"user_id": user_id, "digest": digest} for digest in codes])


def use_step(connection: Connection, arguments: list[Step]) -> list[bool]:
    """Take codes of apps; False where the step, or a later one, was used before."""
    return [
        connection.execute(
            update(totp).where(totp.c.user_id == used.user_id, totp.c.last_step < used.step).values(last_step=used.step)
        ).rowcount
        == 1
        for used in arguments
    ]


def use_paper(connection: Connection, arguments: list[Paper]) -> list[bool]:
    """Take codes on paper; False for one that is wrong or was used."""
    return [_use_paper(connection, asked) for asked in arguments]


def _use_paper(connection: Connection, asked: Paper) -> bool:
    used = connection.execute(
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == asked.user_id,
            recovery_codes.c.digest == code_digest(asked.code),
            recovery_codes.c.used_ms.is_(None),
        )
        .values(used_ms=asked.at_ms)
    )
    if used.rowcount != 1:
        return False
    note_credential(connection, asked.login, asked.login, asked.at_ms, what="recovery code used")
    return True


def remove_second_factors(connection: Connection, arguments: list[Removal]) -> list[bool]:
    """Remove second factors; False where there was none to remove."""
    return [_remove(connection, asked) for asked in arguments]


def _remove(connection: Connection, asked: Removal) -> bool:
    forget = forget_second_factor if asked.everything else _forget_app
    if not forget(connection, asked.user_id):
        return False
    note_credential(connection, asked.by, asked.login, asked.at_ms, what="second factor removed")
    if asked.by != asked.login:
        tell(connection, asked.user_id, Told.SECOND_REMOVED, asked.by, asked.at_ms)
    return True


def note_credential(connection: Connection, by: str, login: str, at_ms: int, **details: Any) -> None:
    """Write into the audit log that a way in was changed, within the unit that changes it."""
    record(connection, [Record(at_ms=at_ms, actor=by, act=Act.CREDENTIAL, about=login, details=details)])
