"""Auditors who ask to see what was read, and the second person who agrees for a stated purpose and time.

Invariant: nobody decides on what they asked for themselves, nor on what concerns them. A request is decided once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from maild.archive.accounts import find_user, principal
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.rights import Asker, people
from maild.archive.schema import conversations, entries
from maild.archive.schema_people import audit_requests
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.acts import Act
from maild.policy.granting import Teams, managed
from maild.policy.grants import Principal, may
from maild.policy.roles import Permission

DAYS = (1, 7, 30)
_DAY_MS = 86_400_000
SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """Somebody asks to see the readings of one person, or those of one conversation."""

    asked_by: str
    purpose: str
    login: str
    conversation_id: int | None
    days: int
    asked_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked. Without `decided_by` it waits."""

    id: int
    asked_by: str
    purpose: str
    login: str
    conversation_id: int | None
    reference: str
    days: int
    asked_ms: int
    agreed: bool
    decided_by: str | None
    until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a second person says to it."""

    by: Asker
    request_id: int
    agreed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Whose readings somebody may see now, and of which conversations."""

    logins: frozenset[str] = frozenset()
    conversation_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a decision, the oldest first; `more` are not among these."""

    requests: tuple[Request, ...] = ()
    more: int = 0


def requests_of(connection: Connection, login: str) -> list[Request]:
    """Return what somebody has asked for, the newest first."""
    return _found(connection, audit_requests.c.asked_by == login, SHOWN)


def sight_of(connection: Connection, login: str, now_ms: int) -> Sight:
    """Return what somebody may see of readings, by what others have agreed to."""
    held = audit_requests.c
    agreed = _found(connection, (held.asked_by == login) & (held.agreed == 1) & (held.until_ms > now_ms))
    return Sight(
        logins=frozenset(each.login for each in agreed if each.conversation_id is None),
        conversation_ids=frozenset(each.conversation_id for each in agreed if each.conversation_id is not None),
    )


def waiting_for(connection: Connection, who: Principal, teams: Teams, now_ms: int) -> Waiting:
    """Return what waits for a decision, and that this person may decide on."""
    theirs = _theirs(connection, audit_requests.c.decided_ms.is_(None), who, teams, now_ms)[::-1]
    return Waiting(requests=tuple(theirs[:SHOWN]), more=max(len(theirs) - SHOWN, 0))


def _theirs(connection: Connection, condition: Any, who: Principal, teams: Teams, now_ms: int) -> list[Request]:
    """Return those requests on which a person may decide."""
    others = [each for each in _found(connection, condition) if who.login not in {each.asked_by, each.login}]
    if may(who, Permission.AUDIT, now_ms=now_ms):
        return others
    mine, known = managed(who, teams, now_ms), dict[tuple[str, int | None], set[str]]()
    if not mine:
        return []
    for each in others:
        key = (each.login, each.conversation_id)
        if key not in known:
            known[key] = _concerned(connection, each, now_ms)
    return [each for each in others if not mine.isdisjoint(known[each.login, each.conversation_id])]


def _concerned(connection: Connection, asked: Request, now_ms: int) -> set[str]:
    """Return the teams of the person, or of the conversation, that a request is about."""
    if asked.conversation_id is not None:
        found = connection.scalars(select(entries.c.team).where(entries.c.conversation_id == asked.conversation_id))
        return set(found)
    held = [person.grants for person in people(connection, None, now_ms) if person.user.login == asked.login]
    return {grant.team for grants in held for grant in grants if grant.team is not None}


def _found(connection: Connection, condition: Any, most: int | None = None) -> list[Request]:
    columns = [c for c in audit_requests.c if c.name in Request.__dataclass_fields__]
    rows = connection.execute(
        select(*columns, conversations.c.reference)
        .outerjoin(conversations, conversations.c.id == audit_requests.c.conversation_id)
        .where(condition)
        .order_by(audit_requests.c.id.desc())
        .limit(most)
    ).mappings()
    return [Request(**{**row, "agreed": bool(row["agreed"]), "reference": row["reference"] or ""}) for row in rows]


# --- units of work -------------------------------------------------------------------------------------------


def ask(connection: Connection, arguments: list[NewRequest]) -> Sequence[int]:
    """Keep requests; returns their ids. Raises NotFoundError for a person who is not there."""
    numbers: list[int] = []
    for new in arguments:
        if new.conversation_id is None:
            find_user(connection, new.login)
        values = {name: getattr(new, name) for name in NewRequest.__dataclass_fields__}
        numbers += connection.execute(insert(audit_requests).returning(audit_requests.c.id), values).scalars()
    return numbers


def decide(connection: Connection, arguments: list[Answer]) -> Sequence[None]:
    """Agree or decline. Raises NotFoundError for what is not there, decided, or not theirs to decide."""
    for answer in arguments:
        _decide(connection, answer)
    return [None] * len(arguments)


def _decide(connection: Connection, answer: Answer) -> None:
    lock_head(connection)
    by = answer.by
    who = None if by.user_id is None else principal(connection, by.user_id)
    if who is None:
        raise ForbiddenError("it takes a person")
    held = audit_requests.c
    named = (held.id == answer.request_id) & held.decided_ms.is_(None)
    asked = next(iter(_theirs(connection, named, who, by.teams, by.at_ms)), None)
    if asked is None:
        raise NotFoundError("there is no such request")
    until_ms = by.at_ms + asked.days * _DAY_MS if answer.agreed else None
    connection.execute(
        update(audit_requests)
        .where(audit_requests.c.id == asked.id)
        .values(agreed=int(answer.agreed), decided_by=who.login, decided_ms=by.at_ms, until_ms=until_ms)
    )
    details = {"what": "agreed" if answer.agreed else "declined", "asked_by": asked.asked_by, "until_ms": until_ms}
    about = f"request {asked.id}"
    record(connection, [Record(at_ms=by.at_ms, actor=who.login, act=Act.AUDITED, about=about, details=details)])
