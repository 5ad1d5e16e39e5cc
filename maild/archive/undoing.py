"""Taking back whatever somebody has just done: to entries, or to conversations as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from maild.archive import merging, splitting
from maild.archive.commit import lock_head
from maild.archive.handling import JOIN_UNDO_MS, JOINED, Undo, Undone, undoable
from maild.archive.handling import undo as undo_handlings
from maild.archive.parting import Image, reference_of
from maild.archive.schema_inbox import undos

_MOST = 200  # of a person's merges and splits that are looked through


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A merge or a split that can still be undone; `other` is the reference of the other conversation."""

    undo_id: int
    is_merge: bool
    other: str
    at_ms: int


def joined_here(connection: Connection, *, by: str, conversation_id: int, now_ms: int) -> list[Joined]:
    """Return what a person has merged with a conversation, or split from it, the newest first."""
    own = (undos.c.by == by, undos.c.undone_ms.is_(None), undos.c.at_ms > now_ms - JOIN_UNDO_MS)
    found = connection.execute(
        select(undos.c.id, undos.c.at_ms, undos.c.image)
        .where(*own, undos.c.image.startswith(JOINED))
        .order_by(undos.c.id.desc())
        .limit(_MOST)
    )
    joined = []
    for row in found:
        image: Image = json.loads(row.image)[0]
        is_merge, ends = image["joined"] == merging.KIND, {image["from"], image["into"]}
        if conversation_id == image["into"] or (conversation_id in ends and not is_merge):
            (other,) = ends - {conversation_id}
            reference = reference_of(connection, other)
            joined.append(Joined(undo_id=row.id, is_merge=is_merge, other=reference, at_ms=row.at_ms))
    return joined


def kind_of(connection: Connection, *, undo_id: int) -> str:
    """Return whether an act was a merge or a split; "" for any other."""
    image = connection.scalar(select(undos.c.image).where(undos.c.id == undo_id)) or ""
    return str(json.loads(image)[0]["joined"]) if image.startswith(JOINED) else ""


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
