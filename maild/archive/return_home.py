"""What happened to somebody's conversations while they were away, and what they make of it at their return.

Of each it says whether it was answered, closed, handed over or is new, as the audit log has it: nothing of who was
quick and who was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, false, or_, select, text, update

from maild.archive.absences import Parents, absence_of, away_now, cover_of
from maild.archive.accounts import name_or
from maild.archive.allowed import allowed_entry
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.handling import NOBODY, Handling, Work, Worked, handle
from maild.archive.schema import conversations, entries, summaries, users
from maild.archive.schema_absences import absences
from maild.archive.schema_people import audit
from maild.mail.acts import Act
from maild.mail.ids import message_id_at
from maild.policy.deputies import Absence, away_at
from maild.policy.visible import Visible

_MOST = 500
_ROOM = 200
# What is told, in this order, by the words of the log.
TOLD = ("new", "answered", "closed", "handed-over", "taken-over")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """A conversation that was the person's. `told` are words of TOLD; `assignee` is who has it now."""

    conversation_id: int
    team: str
    reference: str
    subject: str
    state: str
    assignee: int | None
    assignee_name: str
    stood_in: int | None  # who acted; None: the team
    stood_in_name: str
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """An absence that is over, and what happened."""

    id: int
    from_ms: int
    until_ms: int
    marked_by: str  # a login; "": by themselves
    items: tuple[Meanwhile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What becomes of one conversation: it is the person's again, or stays with who stood in."""

    conversation_id: int
    team: str
    take_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Somebody has come back, seen what happened, and chosen. `inboxes` are those in which they may answer."""

    user_id: int
    login: str
    absence_id: int
    choices: tuple[Choice, ...]
    inboxes: frozenset[str]
    visible: Visible
    parents: Parents
    at_ms: int


def waiting_return(connection: Connection, user_id: int, now_ms: int) -> Any:
    """Return the row of the last absence that is over and of which the person has not seen what happened; else None."""
    if user_id in away_now(connection, now_ms):
        return None
    rows = connection.execute(
        select(absences).where(absences.c.user_id == user_id, absences.c.settled_ms.is_(None))
        .order_by(absences.c.from_ms.desc())
    )  # fmt: skip
    for row in rows:
        until_ms = absence_of(row).until_ms
        if until_ms is not None and row.from_ms < until_ms <= now_ms:
            return row
    return None


def returned(connection: Connection, *, visible: Visible, user_id: int, parents: Parents, now_ms: int) -> Return | None:
    """Return what happened while a person was away, of what they may read; None when nothing waits to be told."""
    row = waiting_return(connection, user_id, now_ms)
    if row is None:
        return None
    absence, login = absence_of(row), connection.scalar(select(users.c.login).where(users.c.id == user_id)) or ""
    until_ms = absence.until_ms or now_ms
    items = _items(connection, visible, absence, login)
    away = away_at(_all_absences(connection, absence.from_ms), until_ms - 1) | {user_id: absence}
    cover = cover_of(connection, away, {item.team for item in items}, parents, until_ms - 1)
    told = _told(connection, items, absence.from_ms, login)
    return Return(
        id=row.id, from_ms=absence.from_ms, until_ms=until_ms,
        marked_by="" if row.marked_by == login else row.marked_by,
        items=tuple(
            Meanwhile(
                conversation_id=item.conversation_id, team=item.team, reference=item.reference, subject=item.subject,
                state=item.state, assignee=item.assignee, assignee_name=item.assignee_name or "",
                stood_in=cover.acting[item.team].get(user_id), stood_in_name=cover.name(item.team, user_id) or "",
                told=tuple(word for word in TOLD if word in told.get((item.conversation_id, item.team), ())),
            )
            for item in items
        ),
    )  # fmt: skip


def _all_absences(connection: Connection, since_ms: int) -> Iterable[Absence]:
    where = or_(absences.c.until_ms.is_(None), absences.c.until_ms > since_ms)
    return [absence_of(row) for row in connection.execute(select(absences).where(where).order_by(absences.c.id))]


def _items(connection: Connection, visible: Visible, absence: Absence, login: str) -> list[Any]:
    """Return the entries that are the person's and those that others took from them, where something happened."""
    lost = {
        (row.conversation_id, row.team)
        for row in connection.execute(
            select(audit.c.conversation_id, audit.c.team, audit.c.details).where(
                audit.c.act == text("'assigned'"), audit.c.at_ms >= absence.from_ms, audit.c.actor != login
            )
        )
        if json.loads(row.details).get("from") == login
    }
    taken = or_(false(), *(_is(key) for key in sorted(lost)[:_ROOM]))
    own = and_(entries.c.assignee == absence.user_id, or_(
        entries.c.state.in_(("open", "waiting")), entries.c.newest_id >= message_id_at(absence.from_ms, 0),
    ))  # fmt: skip
    name = name_or(users.c.login)
    rows = connection.execute(
        select(entries, conversations.c.reference, summaries.c.subject, name.label("assignee_name"))
        .join_from(entries, conversations, conversations.c.id == entries.c.conversation_id)
        .join(summaries, summaries.c.message_id == entries.c.newest_id)
        .outerjoin(users, users.c.id == entries.c.assignee)
        .where(allowed_entry(visible), or_(own, taken))
        .order_by(entries.c.newest_id.desc())
        .limit(_MOST)
    )
    return list(rows)


def _is(key: tuple[int, str]) -> Any:
    return and_(entries.c.conversation_id == key[0], entries.c.team == key[1])


def _told(connection: Connection, items: list[Any], from_ms: int, login: str) -> dict[tuple[int, str], set[str]]:
    told: dict[tuple[int, str], set[str]] = {}
    numbers = sorted({item.conversation_id for item in items})
    for at in range(0, len(numbers), _ROOM):
        some = numbers[at : at + _ROOM]
        rows = connection.execute(
            select(audit.c.conversation_id, audit.c.team, audit.c.act, audit.c.details).where(
                audit.c.conversation_id.in_(some), audit.c.at_ms >= from_ms, audit.c.act.in_(_WORDS)
            )
        )
        for row in rows:
            word = _word(row.act, json.loads(row.details), login)
            told.setdefault((row.conversation_id, row.team), set()).update({word} if word else ())
    for item in items:
        if item.newest_id >= message_id_at(from_ms, 0) and item.waiting_since_ms is not None:
            told.setdefault((item.conversation_id, item.team), set()).add("new")
    return told


_WORDS = ("answered", "state", "assigned", "handed-over", "handed-back", "taken-over")


def _word(act: str, details: dict[str, Any], login: str) -> str:
    match act:
        case "answered":
            return "answered"
        case "state":
            return "closed" if details.get("to") == "closed" else ""
        case "taken-over":  # a draft: of theirs, or of somebody else who was away
            return act if details.get("from") == login else ""
        case _:
            return "handed-over"


# --- units of work ------------------------------------------------------------------------------------------------


def settle(connection: Connection, arguments: list[Settling]) -> list[Worked]:
    """Carry out what people chose at their return. A unit of work."""
    return [_settle(connection, asked) for asked in arguments]


def _settle(connection: Connection, asked: Settling) -> Worked:
    lock_head(connection)
    found = returned(
        connection, visible=asked.visible, user_id=asked.user_id, parents=asked.parents, now_ms=asked.at_ms
    )
    if found is None or found.id != asked.absence_id:
        return Worked()
    known = {(item.conversation_id, item.team): item for item in found.items}
    handlings = []
    for choice in asked.choices:
        item = known.get((choice.conversation_id, choice.team))
        if item is not None and choice.team in asked.inboxes:
            handlings += _handlings(asked, item, take_back=choice.take_back)
    (worked,) = handle(connection, [Work(by=asked.login, at_ms=asked.at_ms, handlings=tuple(handlings))])
    over = (absences.c.user_id == asked.user_id, absences.c.settled_ms.is_(None), absences.c.from_ms <= found.from_ms)
    connection.execute(update(absences).where(*over).values(settled_ms=asked.at_ms))
    record(connection, [Record(
        at_ms=asked.at_ms, actor=asked.login, act=Act.RETURNED, about=asked.login,
        details={"absence": found.id, "taken_back": sum(c.take_back for c in asked.choices)},
    )])  # fmt: skip
    return worked


def _handlings(asked: Settling, item: Meanwhile, *, take_back: bool) -> list[Handling]:
    """Return what is to be done: nothing where it is as was chosen."""
    if take_back and item.assignee != asked.user_id:
        wanted = asked.user_id
    elif not take_back and item.assignee == asked.user_id:
        wanted = item.stood_in or NOBODY
    else:
        return []
    return [Handling(conversation_id=item.conversation_id, team=item.team, assignee=wanted)]
