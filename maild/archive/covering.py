"""Drafts of people who are away, in the conversations that are theirs: open to who acts for them meanwhile.

Whoever goes on with one has taken it over: it is theirs from then on, the audit log says so, and so does a note to who
began it, which waits for them as any mention does.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, false, func, or_, select

from maild.archive.audit import Record, record
from maild.archive.notes import NewNote, add_notes
from maild.archive.schema import entries, users
from maild.archive.schema_outgoing import drafts
from maild.mail.acts import Act
from maild.mail.ids import format_id


def covered(acts_for: Mapping[str, frozenset[int]]) -> ColumnElement[bool]:
    """Return the condition that a draft lies in an entry of its author's, for whom somebody acts in that inbox."""
    if not any(acts_for.values()):
        return false()
    away, lies = users.alias("away"), entries.alias("lies_in")
    absent = (and_(lies.c.team == team, away.c.id.in_(sorted(ids))) for team, ids in sorted(acts_for.items()) if ids)
    theirs = (
        away.c.login == drafts.c.author,
        lies.c.conversation_id == drafts.c.conversation_id,
        lies.c.team == drafts.c.team,
        lies.c.assignee == away.c.id,
    )
    # What waits for a release is the team's already.
    being_written = drafts.c.state.in_(("writing", "held"))
    return and_(being_written, exists(select(1).where(*theirs, or_(*absent)).correlate(drafts)))


def is_covered(connection: Connection, acts_for: Mapping[str, frozenset[int]], draft_id: int) -> bool:
    """Tell it of one draft, within a unit of work."""
    return connection.scalar(select(drafts.c.id).where(drafts.c.id == draft_id, covered(acts_for))) is not None


def take_over(connection: Connection, row: RowMapping, by: str, at_ms: int, note: str) -> None:
    """Write down that somebody goes on with the draft of who is away; within the unit of work that saves it.

    `note` is what its author is told, with `{name}` for theirs; "": nothing.
    """
    record(connection, [Record(
        at_ms=at_ms, actor=by, act=Act.TAKEN_OVER, team=row["team"], conversation_id=row["conversation_id"],
        about=format_id(row["id"]), details={"what": "draft", "from": row["author"]},
    )])  # fmt: skip
    name = func.coalesce(func.nullif(users.c.name, ""), users.c.login).label("name")
    author = connection.execute(select(users.c.id, name).where(users.c.login == row["author"])).first()
    if note and author is not None:
        add_notes(connection, [NewNote(
            conversation_id=row["conversation_id"], team=row["team"], author=by, at_ms=at_ms,
            text=note.replace("{name}", author.name), mentioned=frozenset({author.id}),
        )])  # fmt: skip
