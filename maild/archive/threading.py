"""Conversations by reference: ghosts, links and merges, over the rows of `message_refs`.

`maild.mail.conversation.linked` decides about pairs; this module finds the pairs and keeps the books. Rows for one
target are bounded, so that a Message-ID that everybody refers to costs no more than any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from maild.archive.apart import parted
from maild.archive.inboxes import merge_entries
from maild.archive.prepared import Prepared, PreparedIn
from maild.archive.schema import conversations, filings, joins, message_refs, messages, summaries
from maild.archive.schema_inbox import handed, mentions
from maild.archive.schema_outgoing import drafts, notes
from maild.archive.ways import forwards
from maild.mail.conversation import Member, Tie, linked
from maild.mail.ids import id_ms
from maild.mail.inbox import is_confidential, team_of

_MAX_ROWS = 200  # of one target
_MAX_SUGGESTIONS = 3
_FAR = 1 << 30  # behind every parent that a letter names


class Threadable(Protocol):
    """What of a filing decides about its conversation."""

    @property
    def message_id(self) -> int: ...
    @property
    def direction(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def people(self) -> tuple[str, ...]: ...
    @property
    def message_key(self) -> str | None: ...
    @property
    def references(self) -> tuple[str, ...]: ...
    @property
    def places(self) -> Iterable[HasTeam]: ...


class HasTeam(Protocol):
    """A place in an inbox of a team."""

    @property
    def team(self) -> str: ...


def target_of(message_key: str) -> bytes:
    """Return the bounded form of a Message-ID that `message_refs` holds."""
    return hashlib.sha256(message_key.encode("utf-8", "replace")).digest()[:16]


_REFS = PreparedIn(
    lambda targets: select(message_refs.c.target, message_refs.c.message_id, message_refs.c.position).where(
        message_refs.c.target.in_(targets)
    )
)
_TEAMS = PreparedIn(lambda ids: select(filings.c.team, filings.c.message_id).where(filings.c.message_id.in_(ids)))
_MEMBERS = PreparedIn(
    lambda ids: (
        select(
            summaries.c.message_id,
            summaries.c.conversation_id,
            summaries.c.people,
            summaries.c.from_mail,
            messages.c.direction,
        )
        .join_from(summaries, messages, messages.c.id == summaries.c.message_id)
        .where(summaries.c.message_id.in_(ids))
    )
)
_INSERT_REFS = Prepared(insert(message_refs))
_INSERT_JOINS = Prepared(
    insert(joins).values({name: bindparam(name) for name in ("kind", "from_id", "into_id", "message_ids", "at_ms")})
)


@dataclass(frozen=True, slots=True)
class _Ref:
    message_id: int
    position: int


class Threads:
    """The references that a group of messages touches, read once and written once."""

    def __init__(self, connection: Connection, work: Iterable[Threadable]) -> None:
        """Read what is known of every Message-ID that the messages carry or name."""
        self._connection = connection
        self._refs: dict[bytes, list[_Ref]] = {}
        self._members: dict[int, Member] = {}
        self._merged: dict[int, int] = {}
        self._new_refs: list[dict[str, object]] = []
        self._new_joins: list[dict[str, object]] = []
        self._merges: list[tuple[int, int, int]] = []  # emptied, survivor, the message that caused it
        self._arrived: dict[int, list[int]] = {}  # messages of this group by conversation, not yet written
        self.narrowed: dict[int, set[str]] = {}  # by message: teams that have what it belongs to confidentially
        self._targets = {item.message_id: _targets(item) for item in work}
        self._read({target for targets in self._targets.values() for target, _ in targets})

    def survivor(self, conversation_id: int) -> int:
        """Follow merges of this transaction."""
        while conversation_id in self._merged:
            conversation_id = self._merged[conversation_id]
        return conversation_id

    def join(self, item: Threadable, into: int | None = None) -> int:
        """Find the conversation of a message: its own, an older one, or several that it merges.

        `into` is the conversation of a message that is about another one, whatever it refers to.
        """
        this = _member(item)
        if into is not None:
            conversation_id = self.survivor(into)
            self._remember(item, replace(this, conversation_id=conversation_id))
            return conversation_id
        near: list[tuple[int, int]] = []
        like: set[int] = set()
        secret: set[str] = set()
        for target, position in self._targets[item.message_id]:
            for ref in self._refs.get(target, ()):
                other = self._members[ref.message_id]
                conversation_id = self.survivor(other.conversation_id)
                if linked(this, other, tie := _tie(position, ref.position)):
                    near.append((position if tie is Tie.CHILD else _FAR, conversation_id))
                    secret |= other.confidential
                else:
                    like.add(conversation_id)
        found = {conversation_id for _, conversation_id in near}
        conversation_id = self._merge(self._together(near), item.message_id) if near else item.message_id
        if secret := secret & this.teams:
            self.narrowed[item.message_id] = secret
        self._remember(item, replace(this, conversation_id=conversation_id, confidential=this.confidential | secret))
        for other_id in sorted(like - found - {conversation_id})[:_MAX_SUGGESTIONS]:
            self._journal("suggested", conversation_id, other_id, item.message_id, [item.message_id])
        return conversation_id

    def write(self) -> None:
        """Write merges, references and the journal; the group's new conversations must be there already."""
        for emptied, into, cause in self._merges:
            arrived = self._arrived.pop(emptied, [])
            self._arrived.setdefault(into, []).extend(arrived)
            moved = move(self._connection, emptied, into) + arrived
            self._journal("merged", emptied, into, cause, moved)
        _INSERT_REFS.run(self._connection, self._new_refs)
        _INSERT_JOINS.run(self._connection, self._new_joins)

    def _read(self, wanted: set[bytes]) -> None:
        if not wanted:
            return
        rows = _REFS.rows(self._connection, list(wanted))
        if not rows:
            return
        self._read_members({message_id for _, message_id, _ in rows})
        for target, message_id, position in rows:
            if message_id in self._members:
                self._refs.setdefault(bytes(target), []).append(_Ref(message_id, position))

    def _read_members(self, ids: set[int]) -> None:
        teams: dict[int, set[str]] = {}
        for team, message_id in _TEAMS.rows(self._connection, list(ids)):
            teams.setdefault(message_id, set()).add(team)
        members = _MEMBERS.rows(self._connection, list(ids))
        # What a team has handed over is still its exchange: the citizen goes on writing to the address he knows.
        ways = forwards(self._connection, [row[1] for row in members])
        for message_id, conversation_id, people, author, direction in members:
            there = teams.get(message_id, set())
            givers = {team for team, holder in ways.get(conversation_id, {}).items() if holder in there}
            teams[message_id] = there | givers
            self._members[message_id] = Member(
                message_id=message_id,
                conversation_id=conversation_id,
                author=author,
                people=frozenset(json.loads(people)),
                teams=frozenset(map(team_of, teams.get(message_id, ()))),
                confidential=_confidential(teams.get(message_id, ())),
                ours=direction == "out",
            )

    def _remember(self, item: Threadable, this: Member) -> None:
        self._members[item.message_id] = this
        self._arrived.setdefault(this.conversation_id, []).append(item.message_id)
        for target, position in self._targets[item.message_id]:
            known = self._refs.setdefault(target, [])
            if len(known) >= _MAX_ROWS:
                continue
            known.append(_Ref(item.message_id, position))
            self._new_refs.append({"target": target, "message_id": item.message_id, "position": position})

    def _together(self, near: list[tuple[int, int]]) -> set[int]:
        """Return which conversations a message joins: the one of its newest parent, and what nobody parted from that.

        `near` has each that it is linked with, and how far back the message names it.
        """
        first, *others = dict.fromkeys(conversation_id for _, conversation_id in sorted(near, key=lambda each: each[0]))
        if not others:
            return {first}
        those = {number: {m for m in self._merged if self.survivor(m) == number} for number in (first, *others)}
        pairs, kept = parted(self._connection, those), {first}
        for number in others:
            if not any(frozenset({number, other}) in pairs for other in kept):
                kept.add(number)
        return kept

    def _merge(self, found: set[int], cause: int) -> int:
        into, *others = sorted(found)
        for other in others:
            self._merged[other] = into
            self._merges.append((other, into, cause))
        return into

    def _journal(self, kind: str, from_id: int, into_id: int, cause: int, message_ids: list[int]) -> None:
        self._new_joins.append(
            {
                "kind": kind,
                "from_id": from_id,
                "into_id": into_id,
                "message_ids": json.dumps(message_ids),
                "at_ms": id_ms(cause),
            }
        )


def _member(item: Threadable) -> Member:
    inboxes = [place.team for place in item.places]
    return Member(
        message_id=item.message_id,
        conversation_id=item.message_id,
        author=item.author,
        people=frozenset(item.people),
        teams=frozenset(map(team_of, inboxes)),
        confidential=_confidential(inboxes),
        ours=item.direction == "out",
    )


def _confidential(inboxes: Iterable[str]) -> frozenset[str]:
    return frozenset([team_of(inbox) for inbox in inboxes if is_confidential(inbox)])


def _targets(item: Threadable) -> list[tuple[bytes, int]]:
    own = [(target_of(item.message_key), 0)] if item.message_key else []
    seen = {own[0][0]} if own else set()
    for position, key in enumerate(reversed(item.references), start=1):
        target = target_of(key)
        if target not in seen:
            seen.add(target)
            own.append((target, position))
    return own


def _tie(mine: int, theirs: int) -> Tie:
    if mine == 0:
        return Tie.COPY if theirs == 0 else Tie.PARENT
    return Tie.CHILD if theirs == 0 else Tie.SIBLING


_MESSAGES_OF = Prepared(select(summaries.c.message_id).where(summaries.c.conversation_id == bindparam("emptied")))
_MOVES = [
    Prepared(
        update(table).where(table.c.conversation_id == bindparam("emptied")).values(conversation_id=bindparam("into"))
    )
    for table in (summaries, filings, notes, drafts, handed, mentions)
]
_FORWARD = Prepared(
    update(conversations).where(conversations.c.id == bindparam("emptied")).values(merged_into=bindparam("into"))
)
_FORGET_LIKENESS = Prepared(
    delete(joins).where(
        joins.c.kind == text("'suggested'"),
        joins.c.from_id == bindparam("emptied"),
        joins.c.into_id == bindparam("into"),
    )
)


def move(connection: Connection, from_id: int, into_id: int) -> list[int]:
    """Move all of one conversation into another, within a unit of work; return the messages that moved."""
    pair = {"emptied": from_id, "into": into_id}
    moved = [message_id for (message_id,) in _MESSAGES_OF.rows(connection, {"emptied": from_id})]
    for statement in (*_MOVES, _FORWARD, _FORGET_LIKENESS):
        statement.run(connection, pair)
    merge_entries(connection, from_id, into_id)
    return moved
