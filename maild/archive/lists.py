"""A team's list of conversations. Every question carries what its asker may see.

Invariant: subject, sender and excerpt of a row are those of the newest letter in *this* team's inbox; the same
conversation may hold letters that only another team may read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, and_, bindparam, func, not_, or_, select

from maild.archive.accounts import name_or
from maild.archive.allowed import allowed_entry, allowed_filing, missing, require_inbox
from maild.archive.duties import held_conversations
from maild.archive.outgoing import sent_to
from maild.archive.queries import tags_of
from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, entries, filings, messages, summaries, users
from maild.archive.schema_inbox import mentions, seen
from maild.archive.schema_outgoing import notes
from maild.policy.deputies import NO_COVER, Cover
from maild.policy.visible import Visible

PAGE_SIZE = 50
FILTERS = ("open", "waiting", "mine", "unassigned", "unanswered", "overdue", "unseen", "closed", "spam")
IN_WORK = ("open", "waiting")


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
    asked = _Asked(
        state=state, own_only=team in visible.assigned, knows_answering=team in cover.answering,
        begins=before is None, most=limit + 1,
    )  # fmt: skip
    values = {
        "team": team, "user": user_id, "before": before, "overdue": overdue_ms,
        "covered": () if user_id is None else (user_id, *cover.whom(team, user_id)),
        "absent": cover.whom(team, None), "answering": cover.answering.get(team, frozenset()),
    }  # fmt: skip
    found = sorted(
        (row for part in _PARTS for row in part.rows(connection, visible, asked, **values)),
        key=_listed_at,
        reverse=True,
    )
    shown = found[:limit]
    rows = _inbox_rows(connection, visible, team, shown)
    return InboxPage(rows=rows, older=_listed_at(shown[-1]) if len(found) > limit else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The shape of a list."""

    state: str
    own_only: bool
    knows_answering: bool
    begins: bool
    most: int


def _part(sight: Sight, asked: _Asked, *, risen: bool) -> Select[Any]:
    """Return the query for what lies where its newest message is, or for the few that have risen above it."""
    above = and_(entries.c.risen_id.is_not(None), entries.c.risen_id > entries.c.newest_id)
    column = entries.c.risen_id if risen else entries.c.newest_id
    # Of one inbox it is the same as `allowed_entry`, and asks each entry for no more than itself.
    seen_here = entries.c.assignee == sight.user_id if asked.own_only else allowed_entry(sight)
    where = [entries.c.team == bindparam("team"), seen_here, _filter(asked), above if risen else not_(above)]
    if not asked.begins:
        where.append(column < bindparam("before"))
    return _rows().where(*where).order_by(column.desc()).limit(asked.most)


_PARTS = (Question(partial(_part, risen=False)), Question(partial(_part, risen=True)))


def _listed_at(row: Any) -> int:
    listed_at: int = max(row.newest_id, row.risen_id or 0)
    return listed_at


def _filter(asked: _Asked) -> ColumnElement[bool]:
    is_open = entries.c.state == "open"
    match asked.state:
        case "mine":
            return _mine()
        case "unassigned":
            answering: Any = bindparam("answering", expanding=True) if asked.knows_answering else None
            return and_(_nobodys(bindparam("absent", expanding=True), answering), is_open)
        case "unanswered":
            return and_(entries.c.waiting_since_ms.is_not(None), is_open)
        case "overdue":
            return and_(entries.c.waiting_since_ms < bindparam("overdue"), is_open)
        case "unseen":
            return and_(entries.c.seen_ms.is_(None), is_open)
        case "open" | "waiting" | "closed" | "spam":
            return entries.c.state == asked.state
        case _:
            raise missing()


def _mine() -> ColumnElement[bool]:
    """Return the condition that an entry of a team is somebody's, or mentions them.

    Each of the two is asked by an index of its own. As one condition on entries they would be tried on all that the
    team ever had.
    """
    lies, m = entries.alias("of_mine"), mentions.c
    team: BindParameter[str] = bindparam("team")
    own = (lies.c.team == team, lies.c.assignee.in_(bindparam("covered", expanding=True)), lies.c.state.in_(IN_WORK))
    called = (m.user_id == bindparam("user"), m.team == team, m.seen_ms.is_(None))
    either = select(lies.c.conversation_id).where(*own).union(select(m.conversation_id).where(*called))
    return entries.c.conversation_id.in_(either)


def _nobodys(absent: Any, answering: Any) -> ColumnElement[bool]:
    """Return the condition that nobody sees to a team's entry: who should is away, gone, or may not answer there.

    `absent` are those for whom the team acts, `answering` those who may answer; None: that was not asked.
    """
    gone = select(users.c.id).where(users.c.disabled_ms.is_not(None))
    found = [entries.c.assignee.is_(None), entries.c.assignee.in_(gone), entries.c.assignee.in_(absent)]
    if answering is not None:
        found.append(entries.c.assignee.not_in(answering))
    return or_(*found)


def _nobodys_of(cover: Cover, team: str) -> ColumnElement[bool]:
    answering = sorted(cover.answering[team]) if team in cover.answering else None
    return _nobodys(cover.whom(team, None), answering)


def _nobodys_anywhere(cover: Cover) -> ColumnElement[bool]:
    """Return the same condition for the entries of all teams."""
    told = sorted({*cover.acting, *cover.answering})
    others = and_(entries.c.team.not_in(told), _nobodys((), None))
    return or_(others, *(and_(entries.c.team == team, _nobodys_of(cover, team)) for team in told))


def _rows() -> Select[Any]:
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
        .outerjoin(seen, and_(seen.c.conversation_id == entries.c.conversation_id, seen.c.user_id == bindparam("user")))
    )


def _inbox_rows(connection: Connection, visible: Visible, team: str, shown: list[Any]) -> tuple[InboxRow, ...]:
    """Return rows of a list with what is asked of them together: tags, what waits to be released, whom ours went to."""
    ids = {row.conversation_id for row in shown}
    tagged = tags_of(connection, ids, {team})
    held = held_conversations(connection, visible=visible, team=team, conversation_ids=ids)
    ours = [row.newest_id for row in shown if row.direction == "out"]
    to = sent_to(connection, visible=visible, message_ids=ours) if ours else {}
    return tuple(
        _inbox_row(
            row, tagged.get((row.conversation_id, team), ()), to.get(row.newest_id, ()),
            held=row.conversation_id in held,
        )
        for row in shown
    )  # fmt: skip


def _inbox_row(row: Any, names: tuple[str, ...], to: tuple[str, ...], *, held: bool) -> InboxRow:
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
        unread=row.state in IN_WORK and (row.seen_id is None or row.seen_id < row.newest_id),
        revision=row.revision,
        tags=names,
        held=held,
        assignee_id=row.assignee_id,
        to=to,
    )


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
    return frozenset(_CHANGES.scalars(connection, visible, after=after))


def _changes(sight: Sight) -> Select[Any]:
    # Not joined: SQLite would begin with all that these teams ever got.
    newer = select(summaries.c.message_id).where(summaries.c.revision > bindparam("after"))
    return select(filings.c.team).where(filings.c.message_id.in_(newer), allowed_filing(sight)).distinct()


_CHANGES = Question(_changes)


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
    return _NEWEST_REVISION.scalar(connection) or 0


_NEWEST_REVISION = Question(lambda: select(func.max(summaries.c.revision)))
