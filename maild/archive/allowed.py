"""What a person may see, as conditions of SQL: the one place where a query about mail asks for it.

`visible` comes from `policy`, which works it out of dated grants; here it is put into words of a database.
What may not be seen, and what is not there, have one answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, or_, select, true

from maild.archive.questions import Question, Sight
from maild.archive.schema import conversations, entries, filings
from maild.errors import NotFoundError
from maild.policy.visible import Visible


def allowed(
    column: ColumnElement[str], visible: Visible | Sight, conversation: ColumnElement[int] | None = None
) -> ColumnElement[bool]:
    """Return the condition that a row belongs to a team that may be seen.

    With the `conversation` that it belongs to, also what is seen because its entry is assigned to the asker.
    """
    if visible.everything:
        return true()
    whole = column.in_(_given(visible.teams))
    if conversation is None or not visible.has_assigned:
        return whole
    own = entries.alias("own_entry")
    is_own = (
        own.c.conversation_id == conversation,
        own.c.team == column,
        own.c.team.in_(_given(visible.assigned)),
        own.c.assignee == visible.user_id,
    )
    return or_(whole, exists().where(*is_own).correlate_except(own))


def _given(teams: Any) -> Any:
    return sorted(teams) if isinstance(teams, frozenset) else teams


def allowed_filing(visible: Visible | Sight) -> ColumnElement[bool]:
    """Return the condition that a filing may be seen."""
    return allowed(filings.c.team, visible, filings.c.conversation_id)


def allowed_entry(visible: Visible | Sight) -> ColumnElement[bool]:
    """Return the condition that an entry may be seen."""
    return allowed(entries.c.team, visible, entries.c.conversation_id)


def allowed_of(
    message_id: ColumnElement[int], team: ColumnElement[str], visible: Visible | Sight
) -> ColumnElement[bool]:
    """Return the condition that what belongs to a message in a team's inbox may be seen."""
    if not visible.has_assigned:
        return allowed(team, visible)
    lies = filings.alias("lies_in")
    conversation = select(lies.c.conversation_id).where(lies.c.message_id == message_id, lies.c.team == team)
    return allowed(team, visible, conversation.correlate_except(lies).scalar_subquery())


def missing() -> NotFoundError:
    """Return the one answer to asking for what is not there, or not yours."""
    return NotFoundError("there is nothing here that you may see")


def readable(connection: Connection, *, visible: Visible, message_ids: Iterable[int]) -> frozenset[int]:
    """Return those of these messages that may be read."""
    return frozenset(_READABLE.scalars(connection, visible, ids=sorted(set(message_ids))))


def _readable(sight: Sight) -> Select[Any]:
    asked = filings.c.message_id.in_(bindparam("ids", expanding=True))
    return select(filings.c.message_id).where(asked, allowed_filing(sight))


_READABLE = Question(_readable)


def require_team(team: str, visible: Visible) -> None:
    """Refuse a team that may not be seen as a whole; raises NotFoundError."""
    if not visible.everything and team not in visible.teams:
        raise missing()


def require_inbox(team: str, visible: Visible) -> None:
    """Refuse a team of which nothing may be seen; raises NotFoundError. Which entries may is for `allowed_entry`."""
    if not visible.everything and team not in visible.inboxes:
        raise missing()


def readable_entries(
    connection: Connection, *, visible: Visible, references: Iterable[str]
) -> frozenset[tuple[str, str]]:
    """Return the entries of these conversations that may be read, by reference and inbox."""
    rows = connection.execute(
        select(conversations.c.reference, entries.c.team)
        .join(entries, entries.c.conversation_id == conversations.c.id)
        .where(conversations.c.reference.in_(sorted(set(references))), allowed_entry(visible))
    )
    return frozenset((row.reference, row.team) for row in rows)
