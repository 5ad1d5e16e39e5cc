"""Sessions: a token of 256 bits that only the browser has, and its SHA-256 that only the database has.

A session ends after 30 idle minutes, after 12 hours, when it is revoked, with the account or its password. What opens
and ends one is in the audit log; that one ran out by itself is not.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from maild.archive.accounts import principal
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.questions import Question
from maild.archive.schema import sessions, users
from maild.archive.schema_sign_in import passkeys
from maild.errors import ForbiddenError
from maild.mail.acts import Act
from maild.policy.grants import Principal

_TOKEN_BYTES = 32
_CLIENT_LENGTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long a session lasts."""

    idle_s: int = 30 * 60
    absolute_s: int = 12 * 3600

    def holds(self, created_ms: int, seen_ms: int, now_ms: int) -> bool:
        """Tell whether a session of these times is alive. A clock that went back ends nothing."""
        return now_ms - seen_ms < self.idle_s * 1000 and now_ms - created_ms < self.absolute_s * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that holds, with the person it speaks for.

    `way` is what it was opened with: `password` alone, `totp`, `recovery` or `passkey-second` beside it, `passkey`, or
    `provider`.
    `confirmed_ms` is when the person last proved to be there.
    """

    digest: bytes
    principal: Principal
    created_ms: int
    seen_ms: int
    way: str
    confirmed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """One line of the list of one's sessions. `handle` names it without opening it."""

    handle: str
    created_ms: int
    seen_ms: int
    client: str
    way: str


class Way(NamedTuple):
    """By what somebody came in: a word of `Session.way`, and what was shown and must still hold when they do.

    `stored` is the hash of the password that was right, `passkey_id` the passkey; None where none was shown.
    """

    word: str
    stored: str | None = None
    passkey_id: int | None = None


_BY_PASSWORD = Way("password")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to open. `ends` is one that it replaces, as after signing in again."""

    digest: bytes
    user_id: int
    client: str
    at_ms: int
    lifetime: Lifetime
    ends: bytes | None = None
    way: Way = _BY_PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Sessions of one person to end: the one of `handle`, or all but `keep`."""

    user_id: int
    at_ms: int
    handle: str | None = None
    keep: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Who sits before a session has proved to be its owner."""

    digest: bytes
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A session was used."""

    digest: bytes
    at_ms: int


def new_token() -> str:
    """Draw a token."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """Return what the database knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def handle_of(digest: bytes) -> str:
    """Return a name for a session that its owner may see: a hash of the stored hash."""
    return hashlib.sha256(b"handle" + digest).hexdigest()[:16]


def find_session(connection: Connection, token: str, lifetime: Lifetime, now_ms: int) -> Session | None:
    """Return the session that a token opens; None for every kind of no."""
    digest = digest_of(token)
    row = _SESSION.first(connection, digest=digest)
    if row is None or not lifetime.holds(row.created_ms, row.seen_ms, now_ms):
        return None
    who = principal(connection, row.user_id)
    if who is None:
        return None
    return Session(
        digest=digest,
        principal=who,
        created_ms=row.created_ms,
        seen_ms=row.seen_ms,
        way=row.way,
        confirmed_ms=row.confirmed_ms,
    )


_SESSION = Question(lambda: select(sessions).where(sessions.c.digest == bindparam("digest")))


def list_sessions(connection: Connection, user_id: int, lifetime: Lifetime, now_ms: int) -> list[OpenSession]:
    """Return the living sessions of one person, the last used first."""
    rows = connection.execute(select(sessions).where(sessions.c.user_id == user_id).order_by(sessions.c.seen_ms.desc()))
    return [
        OpenSession(
            handle=handle_of(bytes(row.digest)),
            created_ms=row.created_ms,
            seen_ms=row.seen_ms,
            client=row.client,
            way=row.way,
        )
        for row in rows
        if lifetime.holds(row.created_ms, row.seen_ms, now_ms)
    ]


# --- writes -------------------------------------------------------------------------------------------------


def open_sessions(connection: Connection, arguments: list[NewSession]) -> list[bool]:
    """Open sessions, and forget those that have run out; False where what was shown for one does not hold any more."""
    return [_open(connection, new) for new in arguments]


def _open(connection: Connection, new: NewSession) -> bool:
    lock_head(connection)  # who changes a password or closes an account takes it, too: the one is before the other
    if not _holds(connection, new):
        return False
    connection.execute(
        delete(sessions).where(
            (sessions.c.seen_ms < new.at_ms - new.lifetime.idle_s * 1000)
            | (sessions.c.created_ms < new.at_ms - new.lifetime.absolute_s * 1000)
        )
    )
    if new.ends is not None:
        connection.execute(delete(sessions).where(sessions.c.digest == new.ends))
    client = new.client[:_CLIENT_LENGTH]
    connection.execute(
        insert(sessions).values(
            digest=new.digest,
            user_id=new.user_id,
            created_ms=new.at_ms,
            seen_ms=new.at_ms,
            client=client,
            way=new.way.word,
            confirmed_ms=new.at_ms,
        )
    )
    _note(connection, new.user_id, Act.SIGNED_IN, new.at_ms, {"way": new.way.word, "browser": client})
    return True


def _holds(connection: Connection, new: NewSession) -> bool:
    """Tell whether the account is open, and what was shown is still a way into it."""
    row = connection.execute(select(users.c.password, users.c.disabled_ms).where(users.c.id == new.user_id)).first()
    if row is None or row.disabled_ms is not None or new.way.stored not in {None, row.password}:
        return False
    shown = select(passkeys.c.id).where(passkeys.c.id == new.way.passkey_id, passkeys.c.user_id == new.user_id)
    return new.way.passkey_id is None or connection.scalar(shown) is not None


def require_session(connection: Connection, digest: bytes, user_id: int) -> None:
    """Refuse within a unit of work what a session that has ended asks for; raises ForbiddenError.

    Security: a thief's last request must not leave them a way in that outlives the session.
    """
    own = (sessions.c.digest == digest, sessions.c.user_id == user_id)
    if connection.scalar(select(sessions.c.user_id).where(*own)) is None:
        raise ForbiddenError("the session has ended")


def touch_sessions(connection: Connection, arguments: list[Seen]) -> list[None]:
    """Note that sessions are in use."""
    for seen in arguments:
        connection.execute(
            update(sessions)
            .where(sessions.c.digest == seen.digest, sessions.c.seen_ms < seen.at_ms)
            .values(seen_ms=seen.at_ms)
        )
    return [None] * len(arguments)


def confirm_sessions(connection: Connection, arguments: list[Confirmation]) -> list[None]:
    """Note that the owners of sessions have proved to be there."""
    for proved in arguments:
        connection.execute(update(sessions).where(sessions.c.digest == proved.digest).values(confirmed_ms=proved.at_ms))
    return [None] * len(arguments)


def strengthen(connection: Connection, digest: bytes, user_id: int, way: str, at_ms: int) -> None:
    """Note what a session stands on from now on, within the unit in which its owner proved it."""
    own = (sessions.c.digest == digest, sessions.c.user_id == user_id)
    connection.execute(update(sessions).where(*own).values(way=way, confirmed_ms=at_ms))


def end_sessions(connection: Connection, arguments: list[Ending]) -> list[int]:
    """End sessions; returns how many each argument ended."""
    return [_end(connection, ending) for ending in arguments]


def _end(connection: Connection, ending: Ending) -> int:
    held = connection.scalars(select(sessions.c.digest).where(sessions.c.user_id == ending.user_id)).all()
    doomed = [
        digest for digest in held if bytes(digest) != ending.keep and ending.handle in {None, handle_of(bytes(digest))}
    ]
    connection.execute(delete(sessions).where(sessions.c.digest.in_(doomed)))
    if doomed:
        _note(connection, ending.user_id, Act.SIGNED_OUT, ending.at_ms, {"sessions": len(doomed)})
    return len(doomed)


def _note(connection: Connection, user_id: int, act: Act, at_ms: int, details: dict[str, object]) -> None:
    login = connection.scalar(select(users.c.login).where(users.c.id == user_id)) or ""
    record(connection, [Record(at_ms=at_ms, actor=login, act=act, about=login, details=details)])
