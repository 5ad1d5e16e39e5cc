"""Entries: a conversation in one team's inbox, and what an arriving message does to it.

A letter from outside by a person reopens what was closed or waiting, and so does a report that mail of ours has failed;
any other report, and automatic mail, does not.
`waiting_since_ms` is the time of the oldest letter by a person that no outgoing mail has followed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from maild.archive.prepared import Prepared, PreparedIn
from maild.archive.schema import entries, filings, messages, summaries, tags
from maild.archive.schema_senders import examinations
from maild.mail.facts import Automatic
from maild.mail.ids import id_ms
from maild.mail.screening import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message that has just been filed. Each place is (team, state, priority, tags); `held` teams have to see it.

    `failed`: it reports that a message of ours will not arrive.
    """

    message_id: int
    conversation_id: int
    incoming: bool
    by_person: bool
    places: tuple[tuple[str, str, int, tuple[str, ...]], ...]
    held: frozenset[str] = frozenset()
    failed: bool = False


@dataclass(slots=True)
class _Entry:
    conversation_id: int
    team: str
    state: str
    assignee: int | None
    priority: int
    newest_id: int
    waiting_since_ms: int | None
    seen_ms: int | None
    is_new: bool = False
    stale_waiting: bool = False


def place(connection: Connection, arrivals: list[Arrival]) -> None:
    """Create or move on the entries that the messages belong to."""
    known = _known(connection, {a.conversation_id for a in arrivals if a.conversation_id != a.message_id})
    tag_rows: list[dict[str, object]] = []
    for arrival in arrivals:
        for team, state, priority, names in arrival.places:
            key = (arrival.conversation_id, team)
            entry = known.get(key)
            if entry is None:
                known[key] = _opened(arrival, team, state, priority)
            else:
                _moved_on(entry, arrival, priority)
                if entry.state == "spam" and state != "spam" and _by_filter_alone(connection, arrival, team):
                    entry.state = state
            tag_rows += [{"conversation_id": key[0], "team": team, "tag": name} for name in names]
    for entry in known.values():
        if entry.stale_waiting:
            entry.waiting_since_ms = waiting_since(connection, entry.conversation_id, entry.team)
    _write(connection, list(known.values()))
    _INSERT_TAGS.run(connection, tag_rows)


def entry_by_rules(team: str, arrivals: Iterable[Arrival]) -> dict[str, Any] | None:
    """Return what the rules alone make of an entry, letter by letter as they came; None when there is no letter.

    The columns are those of `entries`, without its key. Where a person had no hand in an entry, it is like this.
    """
    entry: _Entry | None = None
    answered, letters = 0, list[int]()
    for arrival in arrivals:
        for state, priority in [(place[1], place[2]) for place in arrival.places if place[0] == team]:
            if entry is None:
                entry = _opened(arrival, team, state, priority)
            else:
                _moved_on(entry, arrival, priority)
            if not arrival.incoming and arrival.by_person:
                answered = max(answered, arrival.message_id)
            elif arrival.incoming and arrival.by_person:
                letters.append(arrival.message_id)
    if entry is None:
        return None
    oldest = min((letter for letter in letters if letter > answered), default=None)
    entry.waiting_since_ms = None if oldest is None else id_ms(oldest)
    return {name: getattr(entry, name) for name in _COLUMNS}


def _by_filter_alone(connection: Connection, arrival: Arrival, team: str) -> bool:
    """Tell whether an entry lies in spam only because a filter put each of its letters there.

    Then a letter that none objects to brings it out, or a mistaken filter would keep a person away for good; what
    somebody here has called spam stays there.
    """
    if not arrival.incoming or not arrival.by_person:
        return False
    rows = connection.execute(
        select(examinations.c.screening)
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .outerjoin(examinations, examinations.c.message_id == messages.c.id)
        .where(
            filings.c.conversation_id == arrival.conversation_id,
            filings.c.team == team,
            filings.c.message_id != arrival.message_id,
            messages.c.direction == "in",
        )
    )
    return all(row.screening is not None and bool(from_json(row.screening).filed) for row in rows)


def merge_entries(connection: Connection, from_id: int, into_id: int) -> None:
    """Join the entries of two conversations, team by team; the more urgent state of the two holds."""
    both = _known(connection, {from_id, into_id})
    for (conversation_id, team), entry in both.items():
        if conversation_id != from_id:
            continue
        other = both.get((into_id, team))
        if other is None:
            _MOVE_ENTRY.run(connection, {"emptied": from_id, "into": into_id, "which": team})
            continue
        other.state = min(entry.state, other.state, key=_URGENCY.index)
        other.assignee = other.assignee if other.assignee is not None else entry.assignee
        other.priority = max(entry.priority, other.priority)
        other.newest_id = max(entry.newest_id, other.newest_id)
        other.seen_ms = None if None in (entry.seen_ms, other.seen_ms) else other.seen_ms
        other.waiting_since_ms = waiting_since(connection, into_id, team)
        _write(connection, [other])
        _DELETE_ENTRY.run(connection, {"emptied": from_id, "which": team})
    _move_tags(connection, from_id, into_id)


_URGENCY = ("open", "waiting", "closed", "spam")


def _move_tags(connection: Connection, from_id: int, into_id: int) -> None:
    rows = _TAGS_OF.rows(connection, {"emptied": from_id})
    if rows:
        _INSERT_TAGS.run(connection, [{"conversation_id": into_id, "team": team, "tag": tag} for team, tag in rows])
        _DELETE_TAGS.run(connection, {"emptied": from_id})


def _known(connection: Connection, ids: set[int]) -> dict[tuple[int, str], _Entry]:
    found = (_Entry(*row) for row in _KNOWN.rows(connection, list(ids)))
    return {(entry.conversation_id, entry.team): entry for entry in found}


def _opened(arrival: Arrival, team: str, state: str, priority: int) -> _Entry:
    return _Entry(
        conversation_id=arrival.conversation_id,
        team=team,
        state=state,
        assignee=None,
        priority=priority,
        newest_id=arrival.message_id,
        waiting_since_ms=id_ms(arrival.message_id) if arrival.incoming and arrival.by_person else None,
        seen_ms=None,
        is_new=True,
    )


def _moved_on(entry: _Entry, arrival: Arrival, priority: int) -> None:
    in_order = arrival.message_id > entry.newest_id
    entry.newest_id = max(entry.newest_id, arrival.message_id)
    entry.priority = max(entry.priority, priority)
    if arrival.incoming:
        entry.seen_ms = None
        heard = ((arrival.by_person or arrival.failed) and in_order) or entry.team in arrival.held
        if heard and entry.state in {"closed", "waiting"}:
            entry.state = "open"
    if not in_order or not arrival.incoming:
        entry.stale_waiting = True
    elif arrival.by_person and entry.waiting_since_ms is None:
        entry.waiting_since_ms = id_ms(arrival.message_id)


def waiting_since(connection: Connection, conversation_id: int, team: str) -> int | None:
    """Return the time of the oldest letter of an entry that nobody has answered; None: nobody waits."""
    which = {"which_conversation": conversation_id, "which_team": team}
    ((answered,),) = _ANSWERED.rows(connection, which)
    ((oldest,),) = _OLDEST_UNANSWERED.rows(connection, which | {"answered": answered or 0})
    return None if oldest is None else id_ms(oldest)


def _of_entry(column: ColumnElement[int]) -> Select[Any]:
    return (
        select(column)
        .join_from(filings, messages, messages.c.id == filings.c.message_id)
        .join(summaries, summaries.c.message_id == messages.c.id)
        .where(filings.c.conversation_id == bindparam("which_conversation"), filings.c.team == bindparam("which_team"))
    )


# An automatic answer is none that a person waits for.
_ANSWERED = Prepared(
    _of_entry(func.max(messages.c.id)).where(
        messages.c.direction == text("'out'"), summaries.c.automatic == text(str(int(Automatic.PERSON)))
    )
)
_OLDEST_UNANSWERED = Prepared(
    _of_entry(func.min(messages.c.id)).where(
        messages.c.direction == text("'in'"),
        summaries.c.automatic == text(str(int(Automatic.PERSON))),
        messages.c.id > bindparam("answered"),
    )
)


def _insert_tags(dialect: str) -> Executable:
    if dialect == "sqlite":
        return sqlite.insert(tags).on_conflict_do_nothing()
    return postgresql.insert(tags).on_conflict_do_nothing()


_INSERT_TAGS = Prepared(_insert_tags)
_TAGS_OF = Prepared(select(tags.c.team, tags.c.tag).where(tags.c.conversation_id == bindparam("emptied")))
_DELETE_TAGS = Prepared(delete(tags).where(tags.c.conversation_id == bindparam("emptied")))
_COLUMNS = ("state", "assignee", "priority", "newest_id", "waiting_since_ms", "seen_ms")
_KEY_AND_COLUMNS = ("conversation_id", "team", *_COLUMNS)  # as _Entry has them
_KNOWN = PreparedIn(
    lambda ids: select(*(entries.c[name] for name in _KEY_AND_COLUMNS)).where(entries.c.conversation_id.in_(ids))
)
_THE_ENTRY = (entries.c.conversation_id == bindparam("emptied"), entries.c.team == bindparam("which"))
_MOVE_ENTRY = Prepared(update(entries).where(*_THE_ENTRY).values(conversation_id=bindparam("into")))
_DELETE_ENTRY = Prepared(delete(entries).where(*_THE_ENTRY))
_INSERT = Prepared(insert(entries).values({name: bindparam(name) for name in _KEY_AND_COLUMNS}))
_UPDATE = Prepared(
    update(entries)
    .where(
        entries.c.conversation_id == bindparam("which_conversation"),
        entries.c.team == bindparam("which_team"),
    )
    .values(
        {name: bindparam(f"new_{name}") for name in _COLUMNS}
        | {
            # Whoever has the entry as it was before their eyes is told that it is another one now.
            "revision": entries.c.revision
            + case((entries.c.state != bindparam("new_state"), text("1")), else_=text("0")),
            "returns_ms": case((bindparam("new_state") == text("'waiting'"), entries.c.returns_ms), else_=null()),
        }
    )
)


def _write(connection: Connection, all_entries: list[_Entry]) -> None:
    new = [e for e in all_entries if e.is_new]
    old = [e for e in all_entries if not e.is_new]
    _INSERT.run(
        connection,
        [{"conversation_id": e.conversation_id, "team": e.team, **{k: getattr(e, k) for k in _COLUMNS}} for e in new],
    )
    _UPDATE.run(
        connection,
        [
            {
                "which_conversation": e.conversation_id,
                "which_team": e.team,
                **{f"new_{k}": getattr(e, k) for k in _COLUMNS},
            }
            for e in old
        ],
    )
