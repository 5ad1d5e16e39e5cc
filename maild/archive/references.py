"""The references that a conversation has, and had: those that its letters may bear in their subjects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, bindparam, or_, select

from maild.archive.outgoing import survivor_of
from maild.archive.questions import Question
from maild.archive.schema import conversations, joins

_MOST = 50  # conversations that were joined or parted among each other


def references_of(connection: Connection, conversation_id: int) -> tuple[str, ...]:
    """Return the reference of a conversation, then those of what was merged with it or parted from it.

    For taking them out of subjects, and for nothing that is shown: who may read this conversation need not see those.
    """
    survivor = survivor_of(connection, conversation_id)
    known, newest = {survivor}, {survivor}
    while newest and len(known) < _MOST:
        pairs = select(joins.c.from_id, joins.c.into_id).where(
            joins.c.kind.in_(("merged", "split")), or_(joins.c.from_id.in_(newest), joins.c.into_id.in_(newest))
        )
        newest = {number for pair in connection.execute(pairs) for number in pair} - known
        known |= newest
    rows = connection.execute(
        select(conversations.c.id, conversations.c.reference).where(conversations.c.id.in_(known))
    )
    return tuple(name for _, name in sorted((number != survivor, name) for number, name in rows))


def survivor_named(connection: Connection, reference: str) -> Any:
    """Return what a conversation was merged into, or itself; None where there is none."""
    return _SURVIVOR.first(connection, reference=reference)


def _chain() -> Select[Any]:
    columns = (conversations.c.id, conversations.c.reference, conversations.c.merged_into)
    # Of equal rows one is kept, which ends a circle, too.
    asked = conversations.c.reference == bindparam("reference")
    chain = select(*columns).where(asked).cte("chain", recursive=True)
    chain = chain.union(select(*columns).where(conversations.c.id == chain.c.merged_into))
    return select(chain.c.id, chain.c.reference).where(chain.c.merged_into.is_(None))


_SURVIVOR = Question(_chain)
