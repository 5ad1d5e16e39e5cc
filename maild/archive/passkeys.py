"""Passkeys: which devices prove who somebody is, and what they have counted.

An assertion is verified before; what must not happen twice is decided here, in one transaction: a challenge is answered
once, and a counter goes up.

Source: Web Authentication Level 3 §6.1.1, §7.1, §7.2
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.schema import users
from maild.archive.schema_sign_in import passkeys, spent_challenges
from maild.archive.second_factors import factors_of, forget_unused_codes, note_credential, put_codes
from maild.archive.sessions import require_session, strengthen
from maild.archive.sign_in_notices import Told, tell
from maild.mail.acts import Act

MOST = 20  # of one person
HANDLE_BYTES = 32
_NAME_LENGTH = 60


class Added(StrEnum):
    """What came of a passkey that was to be added."""

    YES = "yes"
    FIRST = "first"  # the first second factor of its owner, with codes on paper
    KNOWN = "known"  # that device is known already
    SPENT = "spent"  # the challenge was answered before
    TOO_MANY = "too-many"


class Used(StrEnum):
    """What came of a passkey that was shown."""

    YES = "yes"
    SPENT = "spent"  # the challenge was answered before
    GONE = "gone"  # it was removed a moment ago
    COPIED = "copied"  # it counted backwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey as its owner sees it."""

    id: int
    name: str
    created_ms: int
    used_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPasskey:
    """A passkey as it is verified, with whose it is. Their account is open and has a password."""

    id: int
    user_id: int
    login: str
    credential: bytes
    handle: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A challenge that is answered now; `until_ms` is when it would have run out."""

    digest: bytes
    until_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey to know from now on. `codes` are for paper, if it is the first second factor; `session` proved it."""

    user_id: int
    login: str
    credential: bytes
    handle: bytes
    public_key: bytes
    counter: int
    name: str
    codes: tuple[bytes, ...]
    session: bytes
    spending: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyUse:
    """A passkey answered a challenge, rightly. `counter` is what its device has counted."""

    id: int
    counter: int
    spending: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRemoval:
    """A passkey of a person to forget."""

    user_id: int
    login: str
    id: int
    at_ms: int


def passkeys_of(connection: Connection, user_id: int) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    names = tuple(Passkey.__dataclass_fields__)
    rows = connection.execute(
        select(*(passkeys.c[name] for name in names)).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id)
    ).mappings()
    return [Passkey(**row) for row in rows]


def credentials_of(connection: Connection, user_id: int) -> list[bytes]:
    """Return the ids that a person's devices drew."""
    found = connection.scalars(
        select(passkeys.c.credential).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id)
    )
    return [bytes(each) for each in found]


def handle_of_person(connection: Connection, user_id: int) -> bytes:
    """Return by what devices know a person: the same for all of theirs, drawn with the first."""
    found = connection.scalar(
        select(passkeys.c.handle).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id).limit(1)
    )
    return bytes(found) if found is not None else secrets.token_bytes(HANDLE_BYTES)


def known_passkey(connection: Connection, credential: bytes) -> KnownPasskey | None:
    """Return the passkey of that id; None also where its owner's account is closed, or has no password."""
    row = connection.execute(
        select(passkeys, users.c.login)
        .join(users, users.c.id == passkeys.c.user_id)
        .where(passkeys.c.credential == credential, users.c.disabled_ms.is_(None), users.c.password.is_not(None))
    ).first()
    if row is None:
        return None
    return KnownPasskey(
        id=row.id,
        user_id=row.user_id,
        login=row.login,
        credential=bytes(row.credential),
        handle=bytes(row.handle),
        public_key=bytes(row.public_key),
    )


# --- units of work ------------------------------------------------------------------------------------------


def add_passkeys(connection: Connection, arguments: list[NewPasskey]) -> list[Added]:
    """Know passkeys from now on. Raises ForbiddenError."""
    lock_head(connection)
    return [_add(connection, new) for new in arguments]


def _add(connection: Connection, new: NewPasskey) -> Added:
    at_ms = new.spending.at_ms
    require_session(connection, new.session, new.user_id)
    if not _spend(connection, new.spending):
        return Added.SPENT
    if connection.scalar(select(passkeys.c.id).where(passkeys.c.credential == new.credential)) is not None:
        return Added.KNOWN
    before = factors_of(connection, new.user_id)
    if before.passkeys >= MOST:
        return Added.TOO_MANY
    connection.execute(
        insert(passkeys).values(
            user_id=new.user_id,
            credential=new.credential,
            handle=new.handle,
            public_key=new.public_key,
            counter=new.counter,
            name=new.name[:_NAME_LENGTH],
            created_ms=at_ms,
        )
    )
    strengthen(connection, new.session, new.user_id, "passkey", at_ms)
    if not before.any:
        put_codes(connection, new.user_id, new.codes)
    note_credential(connection, new.login, new.login, at_ms, what="passkey", name=new.name[:_NAME_LENGTH])
    return Added.YES if before.any else Added.FIRST


def use_passkeys(connection: Connection, arguments: list[PasskeyUse]) -> list[Used]:
    """Take the answers of passkeys."""
    return [_use(connection, use) for use in arguments]


def _use(connection: Connection, use: PasskeyUse) -> Used:
    at_ms = use.spending.at_ms
    if not _spend(connection, use.spending):
        return Used.SPENT
    row = connection.execute(
        select(passkeys.c.user_id, passkeys.c.counter, passkeys.c.name, users.c.login)
        .join(users, users.c.id == passkeys.c.user_id)
        .where(passkeys.c.id == use.id)
    ).first()
    if row is None:
        return Used.GONE
    # Security: a device counts each answer, or none. One that was counted before means that there are two devices.
    if (use.counter or row.counter) and use.counter <= row.counter:
        details = {"what": "passkey counter", "name": row.name, "counted": use.counter, "known": row.counter}
        record(connection, [Record(at_ms=at_ms, actor="", act=Act.REFUSED, about=row.login, details=details)])
        tell(connection, row.user_id, Told.COPIED, "", at_ms)
        return Used.COPIED
    connection.execute(update(passkeys).where(passkeys.c.id == use.id).values(counter=use.counter, used_ms=at_ms))
    return Used.YES


def _spend(connection: Connection, spending: Spending) -> bool:
    """Answer a challenge; False for one that was answered before."""
    connection.execute(delete(spent_challenges).where(spent_challenges.c.expires_ms < spending.at_ms))
    if connection.scalar(select(spent_challenges.c.expires_ms).where(spent_challenges.c.digest == spending.digest)):
        return False
    connection.execute(insert(spent_challenges).values(digest=spending.digest, expires_ms=spending.until_ms))
    return True


def remove_passkeys(connection: Connection, arguments: list[PasskeyRemoval]) -> list[bool]:
    """Forget passkeys; False for one that is not there. With the last second factor its codes on paper go."""
    return [_remove(connection, asked) for asked in arguments]


def _remove(connection: Connection, asked: PasskeyRemoval) -> bool:
    own = (passkeys.c.id == asked.id, passkeys.c.user_id == asked.user_id)
    name = connection.scalar(select(passkeys.c.name).where(*own))
    if name is None:
        return False
    connection.execute(delete(passkeys).where(*own))
    forget_unused_codes(connection, asked.user_id)
    note_credential(connection, asked.login, asked.login, asked.at_ms, what="passkey removed", name=name)
    return True
