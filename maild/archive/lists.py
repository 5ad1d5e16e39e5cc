"""A team's list of conversations, and how many there are. Every question carries what its asker may see.

Invariant: subject, sender and excerpt of a row are those of the newest letter in *this* team's inbox; the same
conversation may hold letters that only another team may read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, not_, or_, select

from maild.archive.accounts import name_or
from maild.archive.allowed import allowed, allowed_entry, allowed_filing, missing, require_inbox
from maild.archive.duties import held_conversations
from maild.archive.outgoing import sent_to
from maild.archive.queries import tags_of
from maild.archive.schema import conversations, entries, filings, messages, summaries, users
from maild.archive.schema_inbox import mentions, seen
from maild.archive.schema_outgoing import notes
from maild.policy.deputies import NO_COVER, Cover
from maild.policy.visible import Visible

PAGE_SIZE = 50
FILTERS = ("open", "waiting", "mine", "unassigned", "unanswered", "overdue", "unseen", "closed", "spam")
_IN_WORK = ("open", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """A conversation as a team's list shows it; subject, sender and excerpt are of the newest letter there."""

    conversation_id: int
    reference: str
    team: str
    state: str
    priority: int
    newest_id: int
    subject: str
    from_name: str
    from_mail: str
    excerpt: str
    received_ms: int
    attachments: int
    source_only: str | None
    outgoing: bool
    assignee: str | None
    waiting_since_ms: int | None
    unseen: bool  # nobody of the team has looked at the newest letter
    unread: bool  # the asker has not; of what is in work
    revision: int
    tags: tuple[str, ...]
    held: bool  # something of it waits to be released
    assignee_id: int | None = None
    to: tuple[str, ...] = ()  # whom a letter of ours went to


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """One page of a list. `older` is the key of the page after this one, None at the end."""

    rows: tuple[InboxRow, ...]
    older: int | None


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


def inbox(
    connection: Connection,
    *,
    visible: Visible,
    team: str,
    state: str = "open",
    user_id: int | None = None,
    before: int | None = None,
    limit: int = PAGE_SIZE,
    overdue_ms: int = 0,
    cover: Cover = NO_COVER,
) -> InboxPage:
    """Return a page of a team's inbox, newest first; `before` is the key `older` of the page in front of it.

    `state` is one of FILTERS; `mine` asks for what is assigned to `user_id`, or to somebody for whom they act, or
    mentions them, `unassigned` also for that of people for whom the team acts, `overdue` for what has waited since
    before `overdue_ms`. Raises NotFoundError.
    """
    require_inbox(team, visible)
    # Of one inbox it is the same as `allowed_entry`, and asks each entry for no more than itself.
    seen_here = entries.c.assignee == visible.user_id if team in visible.assigned else allowed_entry(visible)
    where = [entries.c.team == team, seen_here, _filter(state, user_id, overdue_ms, team, cover)]
    found = sorted(
        (row for part in _parts(user_id, before) for row in connection.execute(part.where(*where).limit(limit + 1))),
        key=_listed_at,
        reverse=True,
    )
    shown = found[:limit]
    ids = {row.conversation_id for row in shown}
    tagged = tags_of(connection, ids, {team})
    held = held_conversations(connection, visible=visible, team=team, conversation_ids=ids)
    ours = [row.newest_id for row in shown if row.direction == "out"]
    to = sent_to(connection, visible=visible, message_ids=ours) if ours else {}
    rows = tuple(
        _inbox_row(
            row, tagged.get((row.conversation_id, team), ()), to.get(row.newest_id, ()),
            held=row.conversation_id in held,
        )
        for row in shown
    )  # fmt: skip
    return InboxPage(rows=rows, older=_listed_at(shown[-1]) if len(found) > limit else None)


def _parts(user_id: int | None, before: int | None) -> tuple[Select[Any], Select[Any]]:
    """Return the queries for what lies where its newest message is, and for the few that have risen above it."""
    risen = and_(entries.c.risen_id.is_not(None), entries.c.risen_id > entries.c.newest_id)
    parts = []
    for condition, column in ((not_(risen), entries.c.newest_id), (risen, entries.c.risen_id)):
        where = [condition] if before is None else [condition, column < before]
        parts.append(_rows(user_id).where(*where).order_by(column.desc()))
    return parts[0], parts[1]


def _listed_at(row: Any) -> int:
    listed_at: int = max(row.newest_id, row.risen_id or 0)
    return listed_at


def _filter(state: str, user_id: int | None, overdue_ms: int, team: str, cover: Cover) -> ColumnElement[bool]:
    is_open = entries.c.state == "open"
    match state:
        case "mine":
            return _mine(team, user_id, cover)
        case "unassigned":
            return and_(_nobodys(cover, team), is_open)
        case "unanswered":
            return and_(entries.c.waiting_since_ms.is_not(None), is_open)
        case "overdue":
            return and_(entries.c.waiting_since_ms < overdue_ms, is_open)
        case "unseen":
            return and_(entries.c.seen_ms.is_(None), is_open)
        case "open" | "waiting" | "closed" | "spam":
            return entries.c.state == state
        case _:
            raise missing()


def _mine(team: str, user_id: int | None, cover: Cover) -> ColumnElement[bool]:
    """Return the condition that an entry of a team is somebody's, or mentions them.

    Each of the two is asked by an index of its own. As one condition on entries they would be tried on all that the
    team ever had.
    """
    lies, m = entries.alias("of_mine"), mentions.c
    people = [] if user_id is None else [user_id, *cover.whom(team, user_id)]
    own = (lies.c.team == team, lies.c.assignee.in_(people), lies.c.state.in_(_IN_WORK))
    called = (m.user_id == user_id, m.team == team, m.seen_ms.is_(None))
    either = select(lies.c.conversation_id).where(*own).union(select(m.conversation_id).where(*called))
    return entries.c.conversation_id.in_(either)


def _nobodys(cover: Cover, team: str) -> ColumnElement[bool]:
    """Return the condition that nobody sees to a team's entry: who should is away, gone, or may not answer there."""
    gone = select(users.c.id).where(users.c.disabled_ms.is_not(None))
    found = [entries.c.assignee.is_(None), entries.c.assignee.in_(gone)]
    if absent := cover.whom(team, None):
        found.append(entries.c.assignee.in_(absent))
    if team in cover.answering:
        found.append(entries.c.assignee.not_in(sorted(cover.answering[team])))
    return or_(*found)


def _nobodys_anywhere(cover: Cover) -> ColumnElement[bool]:
    """Return the same condition for the entries of all teams."""
    told = sorted({*cover.acting, *cover.answering})
    others = and_(entries.c.team.not_in(told), _nobodys(NO_COVER, ""))
    return or_(others, *(and_(entries.c.team == team, _nobodys(cover, team)) for team in told))


def _rows(user_id: int | None) -> Select[Any]:
    return (
        select(
            entries.c.conversation_id,
            conversations.c.reference,
            entries.c.team,
            entries.c.state,
            entries.c.priority,
            entries.c.newest_id,
            entries.c.risen_id,
            entries.c.waiting_since_ms,
            entries.c.seen_ms,
            entries.c.revision,
            entries.c.assignee.label("assignee_id"),
            seen.c.newest_id.label("seen_id"),
            summaries.c.subject,
            summaries.c.from_name,
            summaries.c.from_mail,
            summaries.c.excerpt,
            summaries.c.attachments,
            summaries.c.source_only,
            messages.c.direction,
            messages.c.received_ms,
            name_or(users.c.login).label("assignee_name"),
        )
        .join_from(entries, conversations, conversations.c.id == entries.c.conversation_id)
        .join(summaries, summaries.c.message_id == entries.c.newest_id)
        .join(messages, messages.c.id == entries.c.newest_id)
        .outerjoin(users, users.c.id == entries.c.assignee)
        .outerjoin(seen, and_(seen.c.conversation_id == entries.c.conversation_id, seen.c.user_id == user_id))
    )


def _inbox_row(row: Row[Any], names: tuple[str, ...], to: tuple[str, ...], *, held: bool) -> InboxRow:
    return InboxRow(
        conversation_id=row.conversation_id,
        reference=row.reference,
        team=row.team,
        state=row.state,
        priority=row.priority,
        newest_id=row.newest_id,
        subject=row.subject,
        from_name=row.from_name,
        from_mail=row.from_mail,
        excerpt=row.excerpt,
        received_ms=row.received_ms,
        attachments=row.attachments,
        source_only=row.source_only,
        outgoing=row.direction == "out",
        assignee=row.assignee_name,
        waiting_since_ms=row.waiting_since_ms,
        unseen=row.seen_ms is None,
        unread=row.state in _IN_WORK and (row.seen_id is None or row.seen_id < row.newest_id),
        revision=row.revision,
        tags=names,
        held=held,
        assignee_id=row.assignee_id,
        to=to,
    )


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
    rows = connection.execute(_by_assignee(visible, overdue_ms)).all()
    named = sorted({row.assignee for row in rows if row.assignee is not None})
    gone = set(connection.scalars(select(users.c.id).where(users.c.id.in_(named), users.c.disabled_ms.is_not(None))))
    for row in rows:
        sums.setdefault(row.team, Counter()).update(_counted(row, user_id, gone, cover))
    return {team: TeamCount(**found) for team, found in sums.items()}


def _by_assignee(visible: Visible, overdue_ms: int) -> Select[Any]:
    """Count by who has it: whose it is at this moment is worked out for a few people, and not for each entry."""

    def many(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    is_open = entries.c.state == "open"
    return (
        select(
            entries.c.team,
            entries.c.assignee,
            func.count().label("in_work"),
            many(is_open).label("open"),
            many(is_open, entries.c.seen_ms.is_(None)).label("unseen"),
            many(is_open, entries.c.waiting_since_ms.is_not(None)).label("unanswered"),
            many(is_open, entries.c.waiting_since_ms < overdue_ms).label("overdue"),
        )
        .where(allowed_entry(visible), entries.c.state.in_(_IN_WORK))
        .group_by(entries.c.team, entries.c.assignee)
    )


def _counted(row: Row[Any], user_id: int | None, gone: Collection[int], cover: Cover) -> dict[str, int]:
    has, team, opened = row.assignee, row.team, int(row.open)
    lone = has is None or has in gone or cover.may_not(team, has) or has in cover.whom(team, None)
    own = user_id is not None and (has == user_id or has in cover.whom(team, user_id))
    in_work = int(row.in_work)
    return {
        "open": opened,
        "waiting": in_work - opened,
        "unassigned": opened if lone else 0,
        "mine": in_work if own else 0,
        "unseen": int(row.unseen),
        "unanswered": int(row.unanswered),
        "overdue": int(row.overdue),
    }


def own_unread(connection: Connection, *, visible: Visible, user_id: int) -> int:
    """Return how many entries in work are a person's own, or mention them, and hold what they have not read."""
    e, m = entries.c, mentions.c
    newer = or_(seen.c.newest_id.is_(None), seen.c.newest_id < e.newest_id)
    own = (
        select(e.conversation_id, e.team)
        .outerjoin(seen, and_(seen.c.conversation_id == e.conversation_id, seen.c.user_id == user_id))
        .where(e.assignee == user_id, e.state.in_(_IN_WORK), newer, allowed(e.team, visible, e.conversation_id))
    )
    called = (
        select(e.conversation_id, e.team)
        .join_from(mentions, entries, and_(e.conversation_id == m.conversation_id, e.team == m.team))
        .where(m.user_id == user_id, m.seen_ms.is_(None), allowed(e.team, visible, e.conversation_id))
    )
    return connection.scalar(select(func.count()).select_from(own.union(called).subquery())) or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """A conversation that nobody sees to."""

    conversation_id: int
    reference: str
    team: str
    revision: int = 0


def longest_free(
    connection: Connection, *, visible: Visible, cover: Cover = NO_COVER, limit: int = PAGE_SIZE
) -> tuple[Free, ...]:
    """Return what is open and nobody's in visible inboxes: what has waited longest for an answer first."""
    found = connection.execute(
        select(entries.c.conversation_id, conversations.c.reference, entries.c.team, entries.c.revision)
        .join(conversations, conversations.c.id == entries.c.conversation_id)
        .where(
            allowed_entry(visible),
            entries.c.state == "open",
            _nobodys_anywhere(cover),
        )
        .order_by(entries.c.waiting_since_ms.is_(None), entries.c.waiting_since_ms, entries.c.newest_id)
        .limit(limit)
    )
    return tuple(Free(**row) for row in found.mappings())


def listed(
    connection: Connection, *, visible: Visible, team: str, references: Iterable[str]
) -> dict[str, tuple[int, str]]:
    """Return by reference id and subject of the conversations that lie in a team's inbox. Raises NotFoundError."""
    require_inbox(team, visible)
    rows = connection.execute(
        select(conversations.c.reference, conversations.c.id, summaries.c.subject)
        .join_from(entries, conversations, conversations.c.id == entries.c.conversation_id)
        .join(summaries, summaries.c.message_id == entries.c.newest_id)
        .where(entries.c.team == team, allowed_entry(visible), conversations.c.reference.in_(list(references)))
    )
    return {row.reference: (row.id, row.subject) for row in rows}


def changes(connection: Connection, *, visible: Visible, after: int) -> frozenset[str]:
    """Return the visible teams whose inboxes got mail after a revision."""
    # Not joined: SQLite would begin with all that these teams ever got.
    newer = select(summaries.c.message_id).where(summaries.c.revision > after)
    return frozenset(
        connection.scalars(
            select(filings.c.team).where(filings.c.message_id.in_(newer), allowed_filing(visible)).distinct()
        )
    )


def own_marks(connection: Connection, *, visible: Visible) -> dict[str, tuple[int, ...]]:
    """Return by inbox a mark of what is the asker's of those where they see nothing else: it changes when that does."""
    if not visible.assigned:
        return {}
    noted = (
        select(func.max(notes.c.id))
        .where(notes.c.conversation_id == entries.c.conversation_id, notes.c.team == entries.c.team)
        .correlate(entries)
        .scalar_subquery()
    )
    newest = (func.max(entries.c.newest_id), func.coalesce(func.max(noted), 0))
    rows = connection.execute(
        select(entries.c.team, func.count(), func.sum(entries.c.revision), *newest)
        .where(entries.c.assignee == visible.user_id, entries.c.team.in_(sorted(visible.assigned)))
        .group_by(entries.c.team)
    )
    return {row[0]: tuple(int(mark) for mark in row[1:]) for row in rows}


def newest_revision(connection: Connection) -> int:
    """Return the revision of the newest filing: a number that says nothing of anyone's mail."""
    return connection.scalar(select(func.max(summaries.c.revision))) or 0
