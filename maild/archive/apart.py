"""Conversations that a person has parted: no letter that refers to both joins them again by itself."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection, select, text

from maild.archive.prepared import PreparedIn
from maild.archive.schema import conversations, joins

_PARTED = PreparedIn(
    lambda ids: select(joins.c.from_id, joins.c.into_id).where(
        joins.c.kind == text("'split'"), joins.c.from_id.in_(ids)
    )
)
# The journal has an index for this question, and the conversation has the truth.
_EMPTIED = PreparedIn(
    lambda ids: (
        select(joins.c.from_id)
        .join(conversations, conversations.c.id == joins.c.from_id)
        .where(
            joins.c.into_id.in_(ids),
            joins.c.kind == text("'merged'"),
            conversations.c.merged_into == joins.c.into_id,
        )
    )
)


def parted(connection: Connection, those: Mapping[int, AbstractSet[int]]) -> frozenset[frozenset[int]]:
    """Return the pairs of conversations that were parted, and not joined by a person since.

    `those` holds, by conversation, what is merged into it and not written yet.
    """
    owner = {each: number for number, merged in those.items() for each in _emptied_into(connection, {number, *merged})}
    rows = _PARTED.rows(connection, sorted(owner))
    pairs = (frozenset({owner[from_id], owner[into_id]}) for from_id, into_id in rows if into_id in owner)
    return frozenset(pair for pair in pairs if len(pair) > 1)


def _emptied_into(connection: Connection, numbers: set[int]) -> set[int]:
    """Return conversations with all that have ever been merged into them, and still lead there."""
    found, newest = set(numbers), set(numbers)
    while newest:
        newest = {number for (number,) in _EMPTIED.rows(connection, sorted(newest))} - found
        found |= newest
    return found
