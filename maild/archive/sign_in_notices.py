"""What people are told of their own ways in: what somebody else did to them, and what looks like a copied passkey."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from maild.archive.schema_sign_in import sign_in_notices


class Told(StrEnum):
    """What happened. `by` says who did it."""

    LINK = "link"  # somebody made a link to a new password
    SECOND_REMOVED = "second-removed"  # somebody removed the second factor
    COPIED = "copied"  # a passkey counted backwards: there may be two of it


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInNotice:
    """One thing to know."""

    id: int
    what: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAway:
    """A person has read what was told, up to one notice."""

    user_id: int
    up_to: int
    at_ms: int


def told(connection: Connection, user_id: int) -> list[SignInNotice]:
    """Return what a person has not put away, the oldest first."""
    about = sign_in_notices.c
    rows = connection.execute(
        select(about.id, about.what, about.by, about.at_ms)
        .where(about.user_id == user_id, about.seen_ms.is_(None))
        .order_by(about.id)
    ).mappings()
    return [SignInNotice(**row) for row in rows]


def tell(connection: Connection, user_id: int, what: Told, by: str, at_ms: int) -> None:
    """Tell a person something, within the unit that does it."""
    connection.execute(
        insert(sign_in_notices).values(user_id=user_id, what=str(what), by=by, at_ms=at_ms),
    )


def put_away(connection: Connection, arguments: list[PutAway]) -> list[int]:
    """Note that people have read what they were told; returns how many notices that were. A unit of work."""
    about = sign_in_notices.c
    return [
        connection.execute(
            update(sign_in_notices)
            .where(about.user_id == read.user_id, about.id <= read.up_to, about.seen_ms.is_(None))
            .values(seen_ms=read.at_ms)
        ).rowcount
        for read in arguments
    ]
