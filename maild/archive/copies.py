"""Copies for members: who wants them, who gets them, and what is known of those that were made.

A copy goes to the own mailbox of somebody who asked for it, may read the team's letters at that moment, and has an
address that does not end here. What is confidential is never copied (`maild.rules.duties.confided`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from maild.archive.accounts import User, find_user, principal
from maild.archive.audit import Record, record
from maild.archive.schema import users
from maild.archive.schema_copies import copies, copy_choices
from maild.errors import MaildError
from maild.mail.acts import Act
from maild.mail.address import Address, as_address
from maild.policy.grants import may
from maild.policy.roles import Permission

Parents = Mapping[str, str | None]  # teams, and those above them


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Somebody turns the copies of a team's letters on or off. `by` is who did it, as the audit log names them.

    `allowed` are the teams that allow copies, `domains` those that we receive mail for.
    """

    login: str
    team: str
    on: bool
    by: str
    at_ms: int
    allowed: frozenset[str]
    domains: Collection[str]
    parents: Parents


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy that was made of a letter for one person."""

    message_id: int
    user_id: int
    team: str
    recipient: str
    made_ms: int
    until_ms: int
    revoked_ms: int | None


def mailbox_outside(mail: str | None, domains: Collection[str]) -> Address | None:
    """Return the own mailbox of an account; None where there is none to which a copy may go.

    Security: an address of ours leads into an inbox that others read.
    """
    address = as_address(mail)
    if address is None or not address.is_ascii or not address.domain or address.domain in domains:
        return None
    return address


# --- choices ------------------------------------------------------------------------------------------------


def choose(connection: Connection, arguments: list[Choice]) -> list[bool]:
    """Turn copies on or off; whether that changed anything. Raises NotFoundError, and MaildError with the reason.

    With them off, what was made of that team for this person is answered no more.
    """
    return [_choose(connection, asked) for asked in arguments]


def _choose(connection: Connection, asked: Choice) -> bool:
    person = find_user(connection, asked.login)
    where = (copy_choices.c.user_id == person.id, copy_choices.c.team == asked.team)
    is_on = connection.execute(select(copy_choices.c.since_ms).where(*where)).first() is not None
    if asked.on:
        _require(connection, person, asked)
    if is_on is asked.on:
        return False
    if asked.on:
        connection.execute(insert(copy_choices).values(user_id=person.id, team=asked.team, since_ms=asked.at_ms))
    else:
        connection.execute(delete(copy_choices).where(*where))
        connection.execute(
            update(copies)
            .where(copies.c.user_id == person.id, copies.c.team == asked.team, copies.c.revoked_ms.is_(None))
            .values(revoked_ms=asked.at_ms)
        )
    details = {"copies": "on" if asked.on else "off"}
    record(connection, [Record(at_ms=asked.at_ms, actor=asked.by, act=Act.ACCOUNT, team=asked.team,
                               about=person.login, details=details)])  # fmt: skip
    return True


def _require(connection: Connection, person: User, asked: Choice) -> None:
    if asked.team not in asked.allowed:
        raise MaildError(f"the rules allow no copies of the letters of {asked.team} (`copies: allowed`)")
    if person.mail is None:
        raise MaildError(f"no mailbox of {person.login} is known")
    if mailbox_outside(person.mail, asked.domains) is None:
        raise MaildError(f"{person.mail} ends here, in an inbox that others read: copies need another mailbox")
    if not _reads(connection, person.id, asked.team, asked.parents, asked.at_ms):
        raise MaildError(f"{person.login} may not read the letters of {asked.team}")


def chosen_teams(connection: Connection, user_id: int) -> frozenset[str]:
    """Return the teams whose letters a person wants copies of."""
    return frozenset(connection.scalars(select(copy_choices.c.team).where(copy_choices.c.user_id == user_id)))


def members_wanting(connection: Connection, team: str, parents: Parents, now_ms: int) -> list[str]:
    """Return the logins of those who are to have a copy of what is filed in a team's inbox at this moment."""
    found = connection.execute(
        select(users.c.id, users.c.login)
        .join_from(copy_choices, users, users.c.id == copy_choices.c.user_id)
        .where(copy_choices.c.team == team, users.c.disabled_ms.is_(None), users.c.mail.is_not(None))
        .order_by(users.c.login)
    ).all()
    return [row.login for row in found if _reads(connection, row.id, team, parents, now_ms)]


def _reads(connection: Connection, user_id: int, team: str, parents: Parents, now_ms: int) -> bool:
    who = principal(connection, user_id)
    return who is not None and may(who, Permission.READ, team=team, teams={team: None, **parents}, now_ms=now_ms)


# --- copies -------------------------------------------------------------------------------------------------


def keep_copy(connection: Connection, made: Copy) -> None:
    """Record a copy, within the unit of work that queues it."""
    connection.execute(insert(copies).values({name: getattr(made, name) for name in Copy.__dataclass_fields__}))


def copy_of(connection: Connection, message_id: int, user_id: int) -> Copy | None:
    """Return the copy of a letter that was made for a person; None: there was none."""
    where = (copies.c.message_id == message_id, copies.c.user_id == user_id)
    return _copy(connection.execute(select(copies).where(*where)).first())


def copy_to(connection: Connection, message_id: int, recipient: str) -> Copy | None:
    """Return the copy of a letter that goes to a mailbox."""
    where = (copies.c.message_id == message_id, copies.c.recipient == recipient)
    return _copy(connection.execute(select(copies).where(*where)).first())


def _copy(row: Any) -> Copy | None:
    return None if row is None else Copy(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public view of a row
