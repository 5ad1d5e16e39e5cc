"""A second person agrees to a link that opens what its maker may not have alone, or refuses it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from maild.archive.accounts import acting_principal, grants_of
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.invitations import person_of, waits_for_second
from maild.archive.schema import users
from maild.archive.schema_sign_in import invitations
from maild.errors import NotFoundError
from maild.mail.acts import Act
from maild.policy.credentials import may_agree
from maild.policy.granting import Teams
from maild.policy.grants import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A link that waits for a second person. `made_ms` tells it from a later one for the same person."""

    user_id: int
    login: str
    name: str
    made_by: str
    made_ms: int
    forgets_second: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a second person says to a link: `agrees`, or the link goes."""

    user_id: int
    made_ms: int
    agrees: bool
    by_id: int
    teams: Teams
    at_ms: int


def waiting_links(connection: Connection, second: Principal, teams: Teams, now_ms: int) -> list[Waiting]:
    """Return the links to which a person may agree."""
    rows = connection.execute(
        select(invitations, users.c.login, users.c.name)
        .join(users, users.c.id == invitations.c.user_id)
        .where(
            invitations.c.used_ms.is_(None),
            invitations.c.expires_ms > now_ms,
            invitations.c.agreed_by.is_(None),
            users.c.disabled_ms.is_(None),
        )
        .order_by(invitations.c.created_ms)
    )
    found = []
    for row in rows.all():
        maker = person_of(connection, row.made_by)
        if maker is None or not waits_for_second(connection, maker, row.user_id, teams, now_ms):
            continue
        theirs = grants_of(connection, row.user_id)
        if may_agree(second, maker, row.user_id, theirs, teams=teams, now_ms=now_ms):
            found.append(
                Waiting(
                    user_id=row.user_id, login=row.login, name=row.name, made_by=row.made_by,
                    made_ms=row.created_ms, forgets_second=bool(row.forgets_second),
                )
            )  # fmt: skip
    return found


def agree(connection: Connection, arguments: list[Agreement]) -> list[None]:
    """Agree to links, or refuse them; asked again within. A unit of work. Raises NotFoundError and ForbiddenError."""
    lock_head(connection)
    for said in arguments:
        _agree(connection, said)
    return [None] * len(arguments)


def _agree(connection: Connection, said: Agreement) -> None:
    second = acting_principal(connection, said.by_id)
    waiting = waiting_links(connection, second, said.teams, said.at_ms)
    link = next((each for each in waiting if (each.user_id, each.made_ms) == (said.user_id, said.made_ms)), None)
    if link is None:
        raise NotFoundError("there is no such link, or not for them")
    its = (invitations.c.user_id == link.user_id, invitations.c.created_ms == link.made_ms)
    if said.agrees:
        connection.execute(update(invitations).where(*its).values(agreed_by=second.login, agreed_ms=said.at_ms))
    else:
        connection.execute(delete(invitations).where(*its, invitations.c.used_ms.is_(None)))
    what = "invitation agreed to" if said.agrees else "invitation refused"
    details = {"what": what, "made_by": link.made_by}
    record(connection, [
        Record(at_ms=said.at_ms, actor=second.login, act=Act.CREDENTIAL, about=link.login, details=details)
    ])  # fmt: skip
