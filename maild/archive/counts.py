"""How many conversations lie in inboxes, as every page says. Every question carries what its asker may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, case, func, or_, select

from maild.archive.allowed import allowed, allowed_entry
from maild.archive.lists import IN_WORK
from maild.archive.questions import Question, Sight
from maild.archive.schema import entries, users
from maild.archive.schema_inbox import mentions, seen
from maild.policy.deputies import NO_COVER, Cover
from maild.policy.visible import Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCount:
    """How much lies in a team's inbox."""

    open: int = 0
    waiting: int = 0
    unassigned: int = 0
    mine: int = 0
    unseen: int = 0
    unanswered: int = 0
    overdue: int = 0


def team_counts(
    connection: Connection,
    *,
    visible: Visible,
    user_id: int | None = None,
    overdue_ms: int = 0,
    cover: Cover = NO_COVER,
) -> dict[str, TeamCount]:
    """Return how much is in work in each visible team's inbox; teams with nothing are left out."""
    sums: dict[str, Counter[str]] = {}
    for row in _BY_STATE.rows(connection, visible, overdue=overdue_ms):
        sums.setdefault(row.team, Counter()).update(_in_state(row))
    rows = _BY_ASSIGNEE.rows(connection, visible)
    gone = frozenset(_GONE.scalars(connection, named={row.assignee for row in rows}))
    for row in rows:
        found = sums.setdefault(row.team, Counter())
        found["unassigned"] -= 0 if row.state != "open" or _is_lone(row, gone, cover) else int(row.entries)
        found["mine"] += int(row.entries) if _is_own(row, user_id, cover) else 0
    # Something may have been committed between the two questions: nothing is ever less than none.
    return {team: TeamCount(**{name: max(0, n) for name, n in found.items()}) for team, found in sums.items()}


def _by_state(sight: Sight) -> Select[Any]:
    """Count in the order of the index: sorting a long inbox by who has it would cost twice what counting does."""
    late = case((entries.c.waiting_since_ms < bindparam("overdue"), 1), else_=0)
    return (
        select(
            entries.c.team,
            entries.c.state,
            func.count().label("entries"),
            func.count(entries.c.seen_ms).label("looked_at"),
            func.count(entries.c.waiting_since_ms).label("unanswered"),
            func.sum(late).label("overdue"),
        )
        .where(allowed_entry(sight), entries.c.state.in_(IN_WORK))
        .group_by(entries.c.team, entries.c.state)
    )


def _by_assignee(sight: Sight) -> Select[Any]:
    """Count by who has it: whose it is at this moment is worked out for a few people, and not for each entry."""
    return (
        select(entries.c.team, entries.c.assignee, entries.c.state, func.count().label("entries"))
        .where(allowed_entry(sight), entries.c.state.in_(IN_WORK), entries.c.assignee.is_not(None))
        .group_by(entries.c.team, entries.c.assignee, entries.c.state)
    )


_BY_STATE = Question(_by_state)
_BY_ASSIGNEE = Question(_by_assignee)
_GONE = Question(
    lambda: select(users.c.id).where(
        users.c.id.in_(bindparam("named", expanding=True)), users.c.disabled_ms.is_not(None)
    )
)


def _in_state(row: Any) -> dict[str, int]:
    number = int(row.entries)
    if row.state != "open":
        return {row.state: number}
    return {
        "open": number,
        "unassigned": number,  # until somebody is found who has it
        "unseen": number - int(row.looked_at),
        "unanswered": int(row.unanswered),
        "overdue": int(row.overdue),
    }


def _is_lone(row: Any, gone: Collection[int], cover: Cover) -> bool:
    has, team = row.assignee, row.team
    return has in gone or cover.may_not(team, has) or has in cover.whom(team, None)


def _is_own(row: Any, user_id: int | None, cover: Cover) -> bool:
    return user_id is not None and (row.assignee == user_id or row.assignee in cover.whom(row.team, user_id))


def own_unread(connection: Connection, *, visible: Visible, user_id: int) -> int:
    """Return how many entries in work are a person's own, or mention them, and hold what they have not read."""
    return _OWN_UNREAD.scalar(connection, visible, user=user_id) or 0


def _own_unread(sight: Sight) -> Select[Any]:
    e, m = entries.c, mentions.c
    user_id: BindParameter[int] = bindparam("user")
    newer = or_(seen.c.newest_id.is_(None), seen.c.newest_id < e.newest_id)
    own = (
        select(e.conversation_id, e.team)
        .outerjoin(seen, and_(seen.c.conversation_id == e.conversation_id, seen.c.user_id == user_id))
        .where(e.assignee == user_id, e.state.in_(IN_WORK), newer, allowed(e.team, sight, e.conversation_id))
    )
    called = (
        select(e.conversation_id, e.team)
        .join_from(mentions, entries, and_(e.conversation_id == m.conversation_id, e.team == m.team))
        .where(m.user_id == user_id, m.seen_ms.is_(None), allowed(e.team, sight, e.conversation_id))
    )
    return select(func.count()).select_from(own.union(called).subquery())


_OWN_UNREAD = Question(_own_unread)
