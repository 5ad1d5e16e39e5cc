"""Invitations: a link, handed over in person, by which somebody sets the first password of an account, or a new one.

A link opens once, for seven days (for one day when it replaces a password that is there), and only the newest of a
person. No mail ever carries one: it could come to an inbox that colleagues read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from maild.archive.accounts import NewUser, User, add_users, find_user, grants_of, principal
from maild.archive.audit import OPERATOR, Record, record
from maild.archive.commit import lock_head
from maild.archive.schema import sessions, users
from maild.archive.schema_people import rights_notices
from maild.archive.schema_sign_in import identities, invitations
from maild.archive.second_factors import factors_of, forget_second_factor
from maild.archive.sessions import digest_of
from maild.archive.sign_in_notices import Told, tell
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.acts import Act
from maild.policy.credentials import may_agree, may_invite, takes_two, told_of_link
from maild.policy.granting import Teams
from maild.policy.grants import Principal

FIRST_MS = 7 * 86_400_000
AGAIN_MS = 86_400_000
LINK = "link"  # in a notice for managers, in the place of a role


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """A link to make. `by` is who hands it over; with `forgets_second` the second factor is lost, and goes with it."""

    digest: bytes
    login: str
    by: str
    at_ms: int
    forgets_second: bool = False
    teams: Teams | None = None  # by which it is asked again whether `by` may; None: it is the operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An account to make, with the link by which its person comes in."""

    user: NewUser
    invitation: NewInvitation


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """Somebody opens a link and sets a password (a PHC string). `teams` are those of the rules that serve now."""

    token: str
    password: str
    teams: Teams
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A link that holds."""

    user_id: int
    login: str
    name: str
    expires_ms: int
    made_by: str
    forgets_second: bool
    has_second: bool = False


def open_invitation(connection: Connection, token: str, teams: Teams, now_ms: int) -> Invitation | None:
    """Return what a link leads to; None for every kind of no."""
    if not token:
        return None
    row = connection.execute(
        select(invitations, users.c.login, users.c.name)
        .join(users, users.c.id == invitations.c.user_id)
        .where(
            invitations.c.digest == digest_of(token),
            invitations.c.used_ms.is_(None),
            invitations.c.expires_ms > now_ms,
            users.c.disabled_ms.is_(None),
        )
    ).first()
    if row is None or not _holds_still(connection, row, teams, now_ms):
        return None
    return Invitation(
        user_id=row.user_id,
        login=row.login,
        name=row.name,
        expires_ms=row.expires_ms,
        made_by=row.made_by,
        forgets_second=bool(row.forgets_second),
        has_second=factors_of(connection, row.user_id).any,
    )


def _holds_still(connection: Connection, row: Row[Any], teams: Teams, now_ms: int) -> bool:
    """Tell whether who made a link could make it now, and who agreed to it could agree.

    Security: who made it may have kept it. Their own right may have ended since, or the person have been given more
    than they could do themselves.
    """
    if row.made_by == OPERATOR:
        return True
    maker, theirs = person_of(connection, row.made_by), grants_of(connection, row.user_id)
    if maker is None or not may_invite(maker, row.user_id, theirs, teams, now_ms):
        return False
    if not waits_for_second(connection, maker, row.user_id, teams, now_ms):
        return True
    second = None if row.agreed_by is None else person_of(connection, row.agreed_by)
    return second is not None and may_agree(second, maker, row.user_id, theirs, teams=teams, now_ms=now_ms)


def person_of(connection: Connection, login: str) -> Principal | None:
    """Return who has a login, with their grants; None for a closed account, or none at all."""
    found = connection.scalar(select(users.c.id).where(users.c.login == login))
    return None if found is None else principal(connection, found)


def waits_for_second(connection: Connection, maker: Principal, user_id: int, teams: Teams, now_ms: int) -> bool:
    """Tell whether a link of `maker` opens only when a second person has agreed.

    Security: with one link an administrator would become whoever manages a team, or be two people where two are asked
    for. Who has no way in yet is nobody whom one could become.
    """
    if not takes_two(maker, grants_of(connection, user_id), teams, now_ms):
        return False
    has_password = select(users.c.id).where(users.c.id == user_id, users.c.password.is_not(None))
    is_known = select(identities.c.user_id).where(identities.c.user_id == user_id)
    return any(connection.scalar(each.limit(1)) is not None for each in (has_password, is_known))


def invited(connection: Connection, now_ms: int) -> dict[int, int]:
    """Return for whom there is a link that holds, and until when."""
    rows = connection.execute(
        select(invitations.c.user_id, invitations.c.expires_ms).where(
            invitations.c.used_ms.is_(None), invitations.c.expires_ms > now_ms
        )
    )
    return {row.user_id: row.expires_ms for row in rows}


def without_password(connection: Connection) -> frozenset[int]:
    """Return the ids of the accounts that have no password yet."""
    return frozenset(connection.scalars(select(users.c.id).where(users.c.password.is_(None))))


# --- units of work ------------------------------------------------------------------------------------------


def invite(connection: Connection, arguments: list[NewInvitation]) -> list[int]:
    """Make links; returns until when each holds. Those made before for the same person end. Raises NotFoundError."""
    return [_invite(connection, new) for new in arguments]


def _invite(connection: Connection, new: NewInvitation) -> int:
    person = find_user(connection, new.login)
    if person.disabled_ms is not None:
        raise NotFoundError(f"the account of {new.login} is closed")
    if new.teams is not None:
        _require_maker(connection, new, new.teams, person)
    has_password = connection.scalar(select(users.c.password.is_not(None)).where(users.c.id == person.id))
    expires_ms = new.at_ms + (AGAIN_MS if has_password else FIRST_MS)
    connection.execute(delete(invitations).where(invitations.c.user_id == person.id, invitations.c.used_ms.is_(None)))
    connection.execute(
        insert(invitations).values(
            digest=new.digest,
            user_id=person.id,
            made_by=new.by,
            created_ms=new.at_ms,
            expires_ms=expires_ms,
            forgets_second=int(new.forgets_second),
        )
    )
    if has_password:
        tell(connection, person.id, Told.LINK, new.by, new.at_ms)
    details = {"what": "invitation", "until_ms": expires_ms, "second_factor_removed": new.forgets_second}
    record(connection, [_credential(new.by, person, new.at_ms, details)])
    return expires_ms


def _require_maker(connection: Connection, new: NewInvitation, teams: Teams, person: User) -> None:
    """Ask once more whether who makes a link may, and tell the managers whom it concerns."""
    lock_head(connection)
    maker, theirs = person_of(connection, new.by), grants_of(connection, person.id)
    if maker is None or not may_invite(maker, person.id, theirs, teams, new.at_ms):
        raise ForbiddenError("that link is not theirs to make")
    for team in sorted(told_of_link(maker, theirs, teams, new.at_ms)):
        told = {"team": team, "login": person.login, "role": LINK, "given_by": new.by, "at_ms": new.at_ms}
        connection.execute(insert(rights_notices).values(**told))


def add_invited(connection: Connection, arguments: list[Newcomer]) -> list[int]:
    """Make accounts with their links; returns until when each link holds. Raises LoginTakenError."""
    add_users(connection, [new.user for new in arguments])
    return invite(connection, [new.invitation for new in arguments])


def redeem(connection: Connection, arguments: list[Redemption]) -> list[Invitation | None]:
    """Set passwords by links; None where a link does not hold. The sessions of the old password end."""
    lock_head(connection)
    return [_redeem(connection, asked) for asked in arguments]


def _redeem(connection: Connection, asked: Redemption) -> Invitation | None:
    found = open_invitation(connection, asked.token, asked.teams, asked.at_ms)
    if found is None:
        return None
    used = connection.execute(
        update(invitations)
        .where(invitations.c.digest == digest_of(asked.token), invitations.c.used_ms.is_(None))
        .values(used_ms=asked.at_ms)
    )
    if used.rowcount != 1:  # another was quicker
        return None
    connection.execute(update(users).where(users.c.id == found.user_id).values(password=asked.password))
    if found.forgets_second and forget_second_factor(connection, found.user_id):
        tell(connection, found.user_id, Told.SECOND_REMOVED, found.made_by, asked.at_ms)
    connection.execute(delete(sessions).where(sessions.c.user_id == found.user_id))
    person = find_user(connection, found.login)
    record(connection, [_credential(found.login, person, asked.at_ms, {"what": "password", "by": "invitation"})])
    return found


def _credential(by: str, person: User, at_ms: int, details: dict[str, object]) -> Record:
    return Record(at_ms=at_ms, actor=by, act=Act.CREDENTIAL, about=person.login, details=details)
