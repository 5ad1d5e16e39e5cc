"""Taking back whatever somebody has just done: to entries, or to conversations as a whole."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select, update

from maild.archive import merging, splitting
from maild.archive.commit import lock_head
from maild.archive.handling import Undo, Undone, undoable
from maild.archive.handling import undo as undo_handlings
from maild.archive.parting import Image
from maild.archive.schema_inbox import undos


def undo(connection: Connection, arguments: list[Undo]) -> list[Undone]:
    """Take back acts, where nobody has changed anything since. A unit of work."""
    lock_head(connection)
    return [_undo(connection, asked) for asked in arguments]


def _undo(connection: Connection, asked: Undo) -> Undone:
    image = _joined(connection, asked)
    if image is None:
        return undo_handlings(connection, [asked])[0]
    if not frozenset(image["teams"]) <= asked.assigns:
        return Undone(left=1)
    taken_back = merging.part_again if image["joined"] == merging.KIND else splitting.join_again
    done = taken_back(connection, asked, image)
    connection.execute(update(undos).where(undos.c.id == asked.id).values(undone_ms=asked.at_ms))
    return done


def _joined(connection: Connection, asked: Undo) -> Image | None:
    """Return the image of a merge or a split; None for other acts, and what cannot be undone."""
    if not undoable(connection, by=asked.by, undo_id=asked.id, now_ms=asked.at_ms):
        return None
    images: list[Image] = json.loads(connection.scalar(select(undos.c.image).where(undos.c.id == asked.id)) or "[]")
    return images[0] if "joined" in images[0] else None
