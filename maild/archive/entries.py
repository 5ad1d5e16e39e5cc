"""What happens to entries beside the acts of people (those are in `maild.archive.handling`). Units of work.

Somebody looks at them; a letter that leaves sets their state; one that does not arrive, or was taken back, opens them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from maild.archive.questions import Question
from maild.archive.schema import entries, filings, messages, summaries
from maild.archive.schema_inbox import seen
from maild.archive.schema_outgoing import outgoing
from maild.archive.upserting import inserting
from maild.mail.facts import Automatic
from maild.mail.ids import id_ms, message_id_at

STATES = ("open", "waiting", "closed", "spam")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Someone of the teams opened a conversation and saw its letters up to `newest_id`."""

    conversation_id: int
    teams: frozenset[str]
    newest_id: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """An entry gets one of STATES."""

    conversation_id: int
    team: str
    state: str


def mark_seen(connection: Connection, arguments: list[Look]) -> list[bool]:
    """Note that letters were looked at; True where that was new. A letter that came meanwhile stays unseen."""
    return [_look(connection, look) for look in arguments]


def _look(connection: Connection, look: Look) -> bool:
    changed: Any = connection.execute(
        update(entries)
        .where(
            entries.c.conversation_id == look.conversation_id,
            entries.c.team.in_(sorted(look.teams)),
            entries.c.newest_id <= look.newest_id,
            entries.c.seen_ms.is_(None),
        )
        .values(seen_ms=look.at_ms)
    )
    return bool(changed.rowcount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A person has a conversation before their eyes, up to `newest_id`."""

    user_id: int
    conversation_id: int
    newest_id: int


def has_read(connection: Connection, reading: Reading) -> bool:
    """Tell whether the person has read so far before."""
    newest = _READ.scalar(connection, user=reading.user_id, conversation=reading.conversation_id)
    return (newest or 0) >= reading.newest_id


_READ = Question(
    lambda: select(seen.c.newest_id).where(
        seen.c.user_id == bindparam("user"), seen.c.conversation_id == bindparam("conversation")
    )
)


def note_readings(connection: Connection, arguments: list[Reading]) -> list[None]:
    """Note up to where people have read. A unit of work."""
    put = inserting(seen, connection.dialect.name)
    put = put.on_conflict_do_update(
        index_elements=["user_id", "conversation_id"],
        set_={"newest_id": put.excluded.newest_id},
        where=seen.c.newest_id < put.excluded.newest_id,
    )
    for reading in arguments:
        connection.execute(put, {name: getattr(reading, name) for name in ("user_id", "conversation_id", "newest_id")})
    return [None] * len(arguments)


def set_states(connection: Connection, arguments: list[StateChange]) -> list[bool]:
    """Set states; False where the entry is gone (merged meanwhile)."""
    return [_update(connection, change.conversation_id, change.team, {"state": change.state}) for change in arguments]


def _update(connection: Connection, conversation_id: int, team: str, values: dict[str, Any]) -> bool:
    changes = {"revision": entries.c.revision + 1} | ({"returns_ms": None} if "state" in values else {}) | values
    changed: Any = connection.execute(
        update(entries).where(entries.c.conversation_id == conversation_id, entries.c.team == team).values(changes)
    )
    return bool(changed.rowcount)


def open_undelivered(connection: Connection, message_ids: Iterable[int], at_ms: int) -> None:
    """Open the entries of letters of ours that will not arrive, as unseen, within the unit of work that records it.

    They rise to the top of their lists, as if a letter had come at that moment.

    What somebody has called spam stays spam, and nobody is troubled by what maild has sent of its own accord.
    """
    written = outgoing.c.kind.not_in(("automatic", "notice"))
    found = connection.execute(
        select(filings.c.conversation_id, filings.c.team)
        .join_from(filings, outgoing, outgoing.c.message_id == filings.c.message_id)
        .where(filings.c.message_id.in_(sorted(set(message_ids))), written)
        .distinct()
    ).all()
    risen_id = message_id_at(at_ms, 0)
    state = case((entries.c.state.in_(("closed", "waiting")), "open"), else_=entries.c.state)
    for conversation_id, team in sorted(tuple(row) for row in found):
        _update(connection, conversation_id, team, {"state": state, "seen_ms": None, "risen_id": risen_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopening:
    """An answer did not leave after all: who wrote to us waits as before."""

    conversation_id: int
    team: str
    without_id: int  # the answer


def reopen(connection: Connection, reopening: Reopening) -> None:
    """Open an entry again, within a unit of work, as if one message had not answered anything."""
    about = (filings.c.conversation_id == reopening.conversation_id, filings.c.team == reopening.team)
    joined = (
        select(messages.c.id)
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .join(summaries, summaries.c.message_id == messages.c.id)
        .where(*about, messages.c.id != reopening.without_id)
    )
    answered = connection.scalar(
        select(func.max(messages.c.id)).where(
            messages.c.id.in_(
                joined.where(
                    messages.c.direction == "out", summaries.c.automatic == int(Automatic.PERSON)
                ).scalar_subquery()
            )
        )
    )
    oldest = connection.scalar(
        select(func.min(messages.c.id)).where(
            messages.c.id.in_(
                joined.where(
                    messages.c.direction == "in",
                    summaries.c.automatic == int(Automatic.PERSON),
                    messages.c.id > (answered or 0),
                ).scalar_subquery()
            )
        )
    )
    waiting_ms = None if oldest is None else id_ms(oldest)
    values = {"state": "open", "waiting_since_ms": waiting_ms}
    _update(connection, reopening.conversation_id, reopening.team, values)
