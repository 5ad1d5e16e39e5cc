"""Duties: what rules, addresses and teams ask for beyond a place in an inbox, recorded with the filing.

A duty is waiting, done or dropped, and never vanishes. It is recorded in the transaction that files its message, once:
the table refuses doubles, and a message is filed only once. While a hold of the same message and team waits, nothing
else of that team's is to be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    select,
    text,
    update,
)

from maild.archive.accounts import find_user, principal
from maild.archive.allowed import allowed, allowed_filing, allowed_of, missing
from maild.archive.copies import members_wanting
from maild.archive.questions import Question, Sight
from maild.archive.schema import duties, entries, filings, messages, summaries
from maild.archive.upserting import inserting
from maild.errors import MaildError, NotFoundError
from maild.mail.inbox import team_of
from maild.policy.grants import may
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.rules.duties import ANSWERS, ASSIGN, HOLD, KINDS, MEMBER_COPY, Duty

# Written out, not bound: otherwise no database sees that the index of waiting duties has them all.
_WAITING = duties.c.state == text("'waiting'")
OURSELVES = "maild"  # who ended a duty that the filing itself carried out


class Dutiful(Protocol):
    """What of a filing its duties need."""

    @property
    def message_id(self) -> int: ...
    @property
    def duties(self) -> tuple[Duty, ...]: ...
    @property
    def parents(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def at_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDuty:
    """A duty as it stands. `held`: a hold of the same message and team waits, so that it must not be done yet."""

    id: int
    message_id: int
    team: str
    kind: str
    target: str
    rule: str
    state: str
    made_ms: int
    ended_ms: int | None
    ended_by: str | None
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Somebody lets go what a team has held back of a message. Whether they may, `policy` decided before."""

    message_id: int
    team: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A duty comes to its end: it was carried out (`done`), or never will be (`dropped`)."""

    duty_id: int
    state: str  # done | dropped
    by: str
    at_ms: int


# --- with the filing ----------------------------------------------------------------------------------------


def record(connection: Connection, items: Iterable[Dutiful], conversation_of: Mapping[int, int]) -> None:
    """Record the duties of messages that were filed in this transaction; their entries are there already."""
    answered: dict[int, set[tuple[str, str, str]]] = {}
    rows: list[dict[str, Any]] = []
    for item in items:
        conversation_id = conversation_of[item.message_id]
        for duty in item.duties:
            if duty.kind in ANSWERS and not _is_first(connection, answered, item, conversation_id, duty):
                continue
            if duty.kind == MEMBER_COPY and not duty.target:
                rows += [_row(item, each, "waiting") for each in _for_members(connection, item, duty)]
                continue
            state = _assign(connection, item, conversation_id, duty) if duty.kind == ASSIGN else "waiting"
            rows.append(_row(item, duty, state))
    if rows:
        connection.execute(_insert(connection.dialect.name), rows)


def _for_members(connection: Connection, item: Dutiful, duty: Duty) -> list[Duty]:
    logins = members_wanting(connection, duty.team, dict(item.parents), item.at_ms)
    return [duty._replace(target=login) for login in logins]


def _row(item: Dutiful, duty: Duty, state: str) -> dict[str, Any]:
    ended = state != "waiting"
    return {
        "message_id": item.message_id,
        **duty._asdict(),
        "state": state,
        "made_ms": item.at_ms,
        "ended_ms": item.at_ms if ended else None,
        "ended_by": OURSELVES if ended else None,
    }


def _insert(dialect: str) -> Executable:
    return inserting(duties, dialect).on_conflict_do_nothing()


def _is_first(
    connection: Connection,
    answered: dict[int, set[tuple[str, str, str]]],
    item: Dutiful,
    conversation_id: int,
    duty: Duty,
) -> bool:
    """Tell whether a sender has not been answered so in this conversation; notes that now he is."""
    path = connection.scalar(select(messages.c.reverse_path).where(messages.c.id == item.message_id))
    if not path:
        return False  # the null reverse-path: nobody to answer to
    if conversation_id not in answered:
        answered[conversation_id] = _answered(connection, conversation_id)
    key = (duty.kind, duty.target, path.lower())
    is_first = key not in answered[conversation_id]
    answered[conversation_id].add(key)
    return is_first


def _answered(connection: Connection, conversation_id: int) -> set[tuple[str, str, str]]:
    found = connection.execute(
        select(duties.c.kind, duties.c.target, messages.c.reverse_path)
        .join_from(summaries, duties, duties.c.message_id == summaries.c.message_id)
        .join(messages, messages.c.id == summaries.c.message_id)
        .where(summaries.c.conversation_id == conversation_id, duties.c.kind.in_(ANSWERS))
    )
    return {(kind, target, (path or "").lower()) for kind, target, path in found}


def _assign(connection: Connection, item: Dutiful, conversation_id: int, duty: Duty) -> str:
    """Give an entry its assignee; return the state of the duty: it waits when the person may not have it."""
    if not _may_have_it(connection, item, duty):
        return "waiting"
    changed: Any = connection.execute(
        update(entries)
        .where(entries.c.conversation_id == conversation_id, entries.c.team == duty.team, entries.c.assignee.is_(None))
        .values(assignee=find_user(connection, duty.target).id, revision=entries.c.revision + 1)
    )
    return "done" if changed.rowcount else "dropped"  # whoever has it already goes on


def _may_have_it(connection: Connection, item: Dutiful, duty: Duty) -> bool:
    try:
        who = principal(connection, find_user(connection, duty.target).id)
    except NotFoundError:
        return False
    parents = dict(item.parents)
    return who is not None and may(
        who, Permission.RESPOND, team=duty.team, teams={team_of(duty.team): None, **parents}, now_ms=item.at_ms
    )


# --- reading ------------------------------------------------------------------------------------------------


def duties_of(
    connection: Connection, *, visible: Visible, message_ids: Iterable[int]
) -> dict[int, tuple[RecordedDuty, ...]]:
    """Return the duties of messages, in any state, as far as they are of visible teams; none of a message: no key."""
    found: dict[int, tuple[RecordedDuty, ...]] = {}
    for row in _DUTIES.rows(connection, visible, messages=tuple(message_ids)):
        duty = _recorded(row._asdict())
        found[duty.message_id] = (*found.get(duty.message_id, ()), duty)
    return found


def _duties(sight: Sight) -> Select[Any]:
    asked = duties.c.message_id.in_(bindparam("messages", expanding=True))
    return _query().where(asked, allowed_of(duties.c.message_id, duties.c.team, sight)).order_by(duties.c.id)


_DUTIES = Question(_duties)


def duty(connection: Connection, *, visible: Visible, duty_id: int) -> RecordedDuty:
    """Return one duty. Raises NotFoundError."""
    found = _read(
        connection, _query().where(duties.c.id == duty_id, allowed_of(duties.c.message_id, duties.c.team, visible))
    )
    if not found:
        raise missing()
    return found[0]


def waiting_duties(
    connection: Connection, *, visible: Visible, limit: int, after: int = 0, kinds: Iterable[str] = KINDS
) -> list[RecordedDuty]:
    """Return duties that wait, oldest first, beyond the id `after`."""
    where = (
        _WAITING,
        duties.c.kind.in_(list(kinds)),
        duties.c.id > after,
        allowed(duties.c.team, visible),
    )
    return _read(connection, _query().where(*where).order_by(duties.c.id).limit(limit))


def waiting_duty_counts(connection: Connection, *, visible: Visible) -> dict[str, int]:
    """Return how many duties wait, by kind; kinds without any are left out."""
    found = connection.execute(
        select(duties.c.kind, func.count()).where(_WAITING, allowed(duties.c.team, visible)).group_by(duties.c.kind)
    )
    return {kind: int(count) for kind, count in found}


def held_conversations(
    connection: Connection, *, visible: Visible, team: str, conversation_ids: Iterable[int]
) -> frozenset[int]:
    """Return those of the conversations of which something waits in the team's inbox to be released."""
    return frozenset(_HELD.scalars(connection, visible, team=team, conversations=tuple(conversation_ids)))


def _held(sight: Sight) -> Select[Any]:
    return (
        select(filings.c.conversation_id)
        .join_from(duties, filings, and_(filings.c.message_id == duties.c.message_id, filings.c.team == duties.c.team))
        .where(
            duties.c.kind == HOLD,
            _WAITING,
            duties.c.team == bindparam("team"),
            allowed_filing(sight),
            filings.c.conversation_id.in_(bindparam("conversations", expanding=True)),
        )
    )


_HELD = Question(_held)


def _holding() -> ColumnElement[bool]:
    hold = duties.alias("hold")
    return exists().where(
        hold.c.message_id == duties.c.message_id,
        hold.c.team == duties.c.team,
        hold.c.kind == HOLD,
        hold.c.state == "waiting",
        duties.c.kind != HOLD,
    )


def _query() -> Select[Any]:
    return select(duties, _holding().label("held"))


def _read(connection: Connection, statement: Select[Any]) -> list[RecordedDuty]:
    return [_recorded(row) for row in connection.execute(statement).mappings()]


def _recorded(row: RowMapping | dict[str, Any]) -> RecordedDuty:
    return RecordedDuty(**{**row, "held": bool(row["held"])})


# --- units of work ------------------------------------------------------------------------------------------


def release(connection: Connection, arguments: list[Release]) -> list[int]:
    """Let go what is held; returns of each how many holds it ended: 0 where somebody was quicker."""
    return [_release(connection, change) for change in arguments]


def _release(connection: Connection, change: Release) -> int:
    ended: Any = connection.execute(
        update(duties)
        .where(
            duties.c.message_id == change.message_id,
            duties.c.team == change.team,
            duties.c.kind == HOLD,
            duties.c.state == "waiting",
        )
        .values(state="done", ended_ms=change.at_ms, ended_by=change.by)
    )
    return int(ended.rowcount)


def end(connection: Connection, arguments: list[Ending]) -> list[bool]:
    """End duties; False where one had ended before.

    A hold is released, not ended, as long as something waits behind it: dropping it would let that go. What is held
    cannot have been done. Raises MaildError for both.
    """
    return [_end(connection, change) for change in arguments]


def _end(connection: Connection, change: Ending) -> bool:
    row = connection.execute(_query().where(duties.c.id == change.duty_id)).mappings().first()
    if row is None:
        raise missing()
    found = _recorded(row)
    if found.state != "waiting":
        return False
    if found.kind == HOLD and _waits_behind(connection, found):
        raise MaildError("this hold keeps back what waits behind it: release it, or drop that first")
    if found.held and change.state == "done":
        raise MaildError("it is held, and must not be done before it is released")
    connection.execute(
        update(duties)
        .where(duties.c.id == change.duty_id)
        .values(state=change.state, ended_ms=change.at_ms, ended_by=change.by)
    )
    return True


def _waits_behind(connection: Connection, hold: RecordedDuty) -> bool:
    behind = select(duties.c.id).where(
        duties.c.message_id == hold.message_id,
        duties.c.team == hold.team,
        duties.c.kind.not_in((HOLD, ASSIGN)),
        duties.c.state == "waiting",
    )
    return connection.execute(behind.limit(1)).first() is not None
