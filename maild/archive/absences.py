"""Absences: who is away, who stands in, and how it is said that somebody is away or back.

Who says so is looked at again within the transaction, as with rights. Sudden absences, too, are in the audit log, with
who noted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, insert, or_, select, update

from maild.archive.accounts import acting_principal, find_user, grants_of, name_or
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.questions import Question
from maild.archive.schema import users
from maild.archive.schema_absences import absences
from maild.errors import ForbiddenError, MaildError, NotFoundError
from maild.mail.acts import Act
from maild.policy.deputies import (
    NO_COVER,
    Absence,
    Away,
    Cover,
    acting,
    away_at,
    may_mark_absent,
    may_plan_absence,
    may_stand_in,
)
from maild.policy.grants import Principal, teams_with
from maild.policy.roles import Permission

Parents = Mapping[str, str | None]


class AbsenceError(MaildError):
    """What is asked for makes no sense; `why` is past | overlap | deputy."""

    def __init__(self, why: str, text: str) -> None:
        """Keep why."""
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who says that somebody is away. `user_id` None is the operator at the command line, who may always."""

    login: str
    user_id: int | None
    parents: Parents
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """Somebody is, or will be, away. `deputy` is a login; "" leaves it to the team."""

    by: By
    login: str
    from_ms: int
    until_ms: int | None = None
    deputy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An absence ends before its time, or is called off."""

    by: By
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """An absence as people read it; `deputy` is a name, "" for the team, and `noted_by` that of who noted it."""

    id: int
    absence: Absence
    login: str
    name: str
    deputy: str
    marked_by: str
    noted_by: str


# --- who is away --------------------------------------------------------------------------------------------------


def away_now(connection: Connection, now_ms: int) -> dict[int, Absence]:
    """Return who is away."""
    return away_at(map(absence_of, _AWAY.rows(connection, now=now_ms)), now_ms)


_AWAY = Question(
    lambda: (
        select(absences)
        .where(absences.c.from_ms <= bindparam("now"), not_over(bindparam("now")))
        .order_by(absences.c.id)
    )
)


def not_over(now_ms: int | BindParameter[int]) -> ColumnElement[bool]:
    """Return the condition that an absence goes on, or is still to come."""
    return absences.c.ended_ms.is_(None) & or_(absences.c.until_ms.is_(None), absences.c.until_ms > now_ms)


def absence_of(row: Any) -> Absence:
    """Return an absence as it was or will be."""
    ends = [end for end in (row.until_ms, row.ended_ms) if end is not None]
    return Absence(
        user_id=row.user_id, from_ms=row.from_ms, until_ms=min(ends, default=None), deputy_id=row.deputy_id
    )  # fmt: skip


def cover(connection: Connection, inboxes: Iterable[str], parents: Parents, now_ms: int) -> Cover:
    """Return who acts for whom in inboxes at this moment."""
    away = away_now(connection, now_ms)
    return cover_of(connection, away, inboxes, parents, now_ms) if away else NO_COVER


def cover_of(connection: Connection, away: Away, inboxes: Iterable[str], parents: Parents, now_ms: int) -> Cover:
    """Return who acts for those who are away."""
    deputies = {absence.deputy_id for absence in away.values() if absence.deputy_id is not None}
    rows = connection.execute(
        select(users.c.id, name_or(users.c.login).label("name"),
               users.c.disabled_ms).where(users.c.id.in_(sorted(deputies)))
    ).all()  # fmt: skip
    closed = {row.id for row in rows if row.disabled_ms is not None}
    answers = {
        number: teams_with(grants_of(connection, number), Permission.RESPOND, parents, now_ms)
        for number in sorted(deputies - closed)
    }
    by_inbox = {}
    for inbox in inboxes:
        ready = {number for number, held in answers.items() if inbox in held}
        by_inbox[inbox] = {number: acting(number, away, ready, closed) for number in away}
    return Cover(acting=by_inbox, names={row.id: row.name for row in rows})


def noted(connection: Connection, user_ids: Iterable[int], now_ms: int) -> list[Noted]:
    """Return the absences of people that are not over, by their beginning."""
    deputy = users.alias("deputy")
    name = name_or(users.c.login)
    stands_in = name_or(deputy.c.login, deputy)
    marker = users.alias("marker")
    who = name_or(marker.c.login, marker)
    rows = connection.execute(
        select(absences, users.c.login, name.label("name"), stands_in.label("deputy_name"), who.label("marker_name"))
        .join_from(absences, users, users.c.id == absences.c.user_id)
        .outerjoin(deputy, deputy.c.id == absences.c.deputy_id)
        .outerjoin(marker, marker.c.login == absences.c.marked_by)
        .where(absences.c.user_id.in_(sorted(set(user_ids))), not_over(now_ms), users.c.disabled_ms.is_(None))
        .order_by(absences.c.from_ms, absences.c.id)
    )
    return [
        Noted(
            id=row.id, absence=absence_of(row), login=row.login, name=row.name, deputy=row.deputy_name or "",
            marked_by=row.marked_by, noted_by=row.marker_name or row.marked_by,
        )
        for row in rows
    ]  # fmt: skip


# --- units of work ------------------------------------------------------------------------------------------------


def mark(connection: Connection, arguments: list[Marking]) -> list[int]:
    """Note absences; returns their ids. Raises NotFoundError, ForbiddenError and AbsenceError."""
    return [_mark(connection, each) for each in arguments]


def _mark(connection: Connection, asked: Marking) -> int:
    lock_head(connection)
    by = asked.by
    person = find_user(connection, asked.login)
    theirs = grants_of(connection, person.id)
    who = None if by.user_id is None else acting_principal(connection, by.user_id)
    if who is not None and not may_plan_absence(who, person.id, theirs, by.parents, by.at_ms):
        if not may_mark_absent(who, theirs, by.parents, by.at_ms):
            # Security: as for somebody who is not there.
            raise NotFoundError(f"there is no user {asked.login}")
        if asked.from_ms > by.at_ms:
            raise ForbiddenError("planning is for coordinators")
    deputy_id = _deputy(connection, asked, person.id) if asked.deputy else None
    new = Absence(user_id=person.id, from_ms=asked.from_ms, until_ms=asked.until_ms, deputy_id=deputy_id)
    _refuse_nonsense(connection, new, by.at_ms)
    made: Any = connection.execute(
        insert(absences).values(
            user_id=person.id, from_ms=new.from_ms, until_ms=new.until_ms, deputy_id=deputy_id, marked_by=by.login,
            marked_ms=by.at_ms,
        )
    )  # fmt: skip
    details = {"from_ms": new.from_ms, "until_ms": new.until_ms, "deputy": asked.deputy}
    record(connection, [Record(at_ms=by.at_ms, actor=by.login, act=Act.ABSENT, about=person.login, details=details)])
    return int(made.inserted_primary_key[0])


def _deputy(connection: Connection, asked: Marking, user_id: int) -> int:
    try:
        found = find_user(connection, asked.deputy)
    except NotFoundError:
        raise AbsenceError("deputy", f"{asked.deputy} cannot stand in") from None
    theirs, at = grants_of(connection, user_id), max(asked.from_ms, asked.by.at_ms)
    fits = may_stand_in(grants_of(connection, found.id), theirs, asked.by.parents, at)
    if found.id == user_id or found.disabled_ms is not None or not fits:
        raise AbsenceError("deputy", f"{asked.deputy} may answer in no team of theirs, and cannot stand in")
    return found.id


def _refuse_nonsense(connection: Connection, new: Absence, now_ms: int) -> None:
    if new.until_ms is not None and new.until_ms <= max(new.from_ms, now_ms):
        raise AbsenceError("past", "an absence ends after it has begun, and not before today")
    rows = connection.execute(select(absences).where(absences.c.user_id == new.user_id, not_over(now_ms)))
    # Who falls ill, until nobody knows when, may have planned a holiday beyond.
    told = replace(new, until_ms=new.from_ms + 1) if new.until_ms is None else new
    if any(told.overlaps(absence_of(row)) for row in rows):
        raise AbsenceError("overlap", "they are absent at that time already; end that absence first")


def end(connection: Connection, arguments: list[Ending]) -> list[int]:
    """End absences; returns the id of each person, 0 where it was over. Raises NotFoundError."""
    return [_end(connection, each) for each in arguments]


def _end(connection: Connection, asked: Ending) -> int:
    lock_head(connection)
    by = asked.by
    row = connection.execute(
        select(absences, users.c.login)
        .join_from(absences, users, users.c.id == absences.c.user_id)
        .where(absences.c.id == asked.id)
    ).first()
    who = None if by.user_id is None else acting_principal(connection, by.user_id)
    if row is None or not (who is None or _may_end(connection, who, row, by)):
        raise NotFoundError("there is no such absence")
    changed: Any = connection.execute(
        update(absences).where(absences.c.id == asked.id, not_over(by.at_ms)).values(ended_ms=by.at_ms)
    )
    if not changed.rowcount:
        return 0
    record(connection, [_returned(by, row)])
    return int(row.user_id)


def _may_end(connection: Connection, who: Principal, row: Any, by: By) -> bool:
    theirs = grants_of(connection, row.user_id)
    return row.marked_by == who.login or may_plan_absence(who, row.user_id, theirs, by.parents, by.at_ms)


def _returned(by: By, row: Any) -> Record:
    details = {"absence": row.id, "begun": row.from_ms <= by.at_ms}
    return Record(at_ms=by.at_ms, actor=by.login, act=Act.RETURNED, about=row.login, details=details)
