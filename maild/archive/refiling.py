"""Filing anew: a message is moved to where other rules put it, and what people made of it stays.

- A team that the message is no longer for loses it; with the last message of a conversation it loses the entry.
- Where a person has worked on the entry (an assignee, a state or a tag that the rules did not give, an answer), the
  message stays as well: it is copied to its new place, not moved.
- In an entry that stays, what the rules gave follows the rules: state, priority, tags. What a person gave does not.

Nothing is sent, nothing gets a new id, no conversation is joined or parted, and the index is not concerned: team, state
and tag are joined when one searches.

Each change is journaled in the transaction that makes it, as images of what it touched: `maild.archive.replay` takes it
back by them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, insert, select, update

from maild.archive.as_read import Place
from maild.archive.commit import lock_head
from maild.archive.inboxes import Arrival, entry_by_rules
from maild.archive.replayable import IMPORT, Places, places_in
from maild.archive.schema import entries, filings, messages, recipients, replayed, summaries, tags
from maild.archive.schema_outgoing import returns
from maild.archive.schema_senders import examinations
from maild.mail.evidence import from_json as evidence_from
from maild.mail.facts import Automatic
from maild.mail.inbox import confidential, is_confidential, team_of
from maild.mail.screening import VIRUS, VIRUS_TAG, from_json

FIELDS = ("state", "assignee", "priority", "newest_id", "waiting_since_ms", "seen_ms")  # of an entry, in images
_BY_FILING = " in filing"  # the end of a problem that the rules had no part in
_AT_ONCE = 500
Image = dict[str, Any]
_Key = tuple[int, str]  # an entry: conversation and team


class Refiling(NamedTuple):
    """A message whose places are others under the rules of a replay. `trace`: its routes, as the router keeps them."""

    replay_id: int
    message_id: int
    rules_version: str
    trace: bytes
    problem: str | None


class Refiled(NamedTuple):
    """What became of it. `kept`: teams that the rules would take it from, where a person has worked on it."""

    message_id: int
    kept: tuple[str, ...]


@dataclass(slots=True)
class _Letter:
    """A message of a conversation at hand. `places`: where the rules put it; `teams`: where it lies."""

    message_id: int
    conversation_id: int
    incoming: bool
    by_person: bool
    imported: bool
    rules_version: str
    problem: str | None
    trace: bytes
    places: Places
    filed: str = ""  # as what a filter or scanner put it into spam, whatever the rules say
    mark: str = ""  # the tag that it has because nothing proves its sender
    teams: set[str] = field(default_factory=set)

    def lies_in(self, team: str) -> None:
        """Note where it lies; in confidence, when what it answers is: then the rules' place is there, too."""
        self.teams.add(team)
        if is_confidential(team) and team not in self.places and (place := self.places.pop(team_of(team), None)):
            self.places[team] = place._replace(team=team)

    def place_in(self, team: str) -> Place:
        """Return what the rules gave it in a team; where they did not put it there, what comes by default."""
        default = Place(team=team, state="closed" if self.imported else "open", priority=1)
        return self.places.get(team) or _as_filed({team: default}, self.filed, self.mark)[team]


def refile(connection: Connection, items: list[Refiling]) -> Sequence[Refiled | None]:
    """Move messages, in this order; None for one that lies where it should already. A unit of work."""
    lock_head(connection)
    desk = _Desk(connection, [item.message_id for item in items], lock=True)
    done = [desk.refile(item) for item in items]
    desk.write(connection)
    return done


def preview(connection: Connection, items: list[Refiling]) -> Sequence[Refiled | None]:
    """Return what `refile` would answer; nothing is changed."""
    desk = _Desk(connection, [item.message_id for item in items], lock=False)
    return [desk.refile(item) for item in items]


class _Desk:
    """The conversations of some messages, taken out, changed, and put back."""

    def __init__(self, connection: Connection, ids: list[int], *, lock: bool) -> None:
        found = select(summaries.c.conversation_id).where(summaries.c.message_id.in_(ids)).distinct()
        numbers = sorted(connection.scalars(found))
        self._letters: dict[int, _Letter] = {}
        self._entries: dict[_Key, Image] = {}
        self._tags: dict[_Key, set[str]] = {}
        for start in range(0, len(numbers), _AT_ONCE):
            self._read(connection, numbers[start : start + _AT_ONCE], lock=lock)
        self._entries_before = {key: dict(entry) for key, entry in self._entries.items()}
        self._tags_before = {key: set(names) for key, names in self._tags.items()}
        self._of: dict[int, list[_Letter]] = {}
        for letter in self._letters.values():  # in the order in which they were filed
            self._of.setdefault(letter.conversation_id, []).append(letter)
        self._journal: list[dict[str, Any]] = []
        r = returns.c
        about = select(r.report_id).where(r.report_id.in_(ids), r.about_id.is_not(None)).distinct()
        self._reports = frozenset(connection.scalars(about))

    def _read(self, connection: Connection, numbers: list[int], *, lock: bool) -> None:
        m, s = messages.c, summaries.c
        rows = connection.execute(
            select(summaries, m.direction, m.origin, examinations.c.screening, examinations.c.evidence)
            .join_from(summaries, messages, m.id == s.message_id)
            .outerjoin(examinations, examinations.c.message_id == m.id)
            .where(s.conversation_id.in_(numbers))
            .order_by(s.revision)
        )
        self._letters |= {row.message_id: _letter(row) for row in rows}
        where = filings.c.conversation_id.in_(numbers)
        for team, message_id in connection.execute(select(filings.c.team, filings.c.message_id).where(where)):
            if message_id in self._letters:
                self._letters[message_id].lies_in(team)
        e = entries.c
        # In the order of the key, so that two who lock the same rows do not wait for each other.
        found = select(entries).where(e.conversation_id.in_(numbers)).order_by(e.conversation_id, e.team)
        for row in connection.execute(found.with_for_update() if lock else found):
            self._entries[row.conversation_id, row.team] = {name: getattr(row, name) for name in FIELDS}
        for row in connection.execute(select(tags).where(tags.c.conversation_id.in_(numbers))):
            self._tags.setdefault((row.conversation_id, row.team), set()).add(row.tag)

    def refile(self, item: Refiling) -> Refiled | None:
        """Move one message."""
        letter = self._letters.get(item.message_id)
        new = None if letter is None else places_in(item.trace, imported=letter.imported)
        if letter is None or new is None or item.message_id in self._reports:
            return None  # a report about mail of ours lies where that lies, whatever the rules say
        new = self._narrowed(letter, _as_filed(new, letter.filed, letter.mark))
        problem = letter.problem if (letter.problem or "").endswith(_BY_FILING) else item.problem
        if new == letter.places and problem == letter.problem:
            return None
        kept = tuple(
            t
            for t in sorted(letter.places.keys() - new.keys())
            if confidential(t) not in new and self._is_worked_on(letter, t)
        )
        touched = _touched(letter, new, kept)
        before = self._image(letter, touched)
        was = {team: self._by_rules(letter.conversation_id, team) for team in touched}
        come = new.keys() - letter.places.keys() - letter.teams
        letter.teams = (letter.teams - (letter.places.keys() - new.keys() - set(kept))) | come
        letter.places, letter.problem = new, problem
        letter.rules_version, letter.trace = item.rules_version, item.trace
        for team in touched:
            self._settle((letter.conversation_id, team), was[team], arrived=team in come)
        self._note(item, before, self._image(letter, touched))
        return Refiled(item.message_id, kept)

    def _narrowed(self, letter: _Letter, places: Places) -> Places:
        """Put what comes to a team that has the exchange in confidence where that is."""
        inner = {team for other in self._of[letter.conversation_id] for team in other.teams if is_confidential(team)}
        found = dict(places)
        for team in places.keys() - letter.teams:
            if confidential(team) in inner:
                place = found.pop(team)
                found.setdefault(confidential(team), place._replace(team=confidential(team)))
        return found

    def _by_rules(self, conversation_id: int, team: str) -> tuple[Image | None, set[str]]:
        """Return what the rules alone make of an entry, and its tags."""
        there = [letter for letter in self._of[conversation_id] if team in letter.teams]
        places = [letter.place_in(team) for letter in there]
        arrivals = (_arrival(letter, place) for letter, place in zip(there, places, strict=True))
        return entry_by_rules(team, arrivals), {tag for place in places for tag in place.tags}

    def _is_worked_on(self, letter: _Letter, team: str) -> bool:
        key = (letter.conversation_id, team)
        entry = self._entries.get(key)
        if entry is None or team not in letter.teams:
            return False
        given, given_tags = self._by_rules(*key)
        return (
            entry["assignee"] is not None
            or given is None
            or entry["state"] != given["state"]
            or not self._tags.get(key, set()) <= given_tags
            or any(
                not other.incoming and team in other.teams and other.message_id > letter.message_id
                for other in self._of[letter.conversation_id]
            )
        )

    def _settle(self, key: _Key, was: tuple[Image | None, set[str]], *, arrived: bool) -> None:
        """Bring an entry and its tags from what the rules gave before to what they give now."""
        now, now_tags = self._by_rules(*key)
        if now is None:
            self._entries.pop(key, None)
            self._tags.pop(key, None)
            return
        given, given_tags = was
        entry = self._entries.get(key)
        if entry is None or given is None:
            self._entries[key] = now if entry is None else entry | {"newest_id": now["newest_id"]}
        else:
            entry["newest_id"] = now["newest_id"]
            entry["seen_ms"] = None if arrived else entry["seen_ms"]
            free = {"priority", "waiting_since_ms"} | ({"state"} if entry["assignee"] is None else set())
            for name in free:
                if entry[name] == given[name]:
                    entry[name] = now[name]
        names = (self._tags.get(key, set()) - (given_tags - now_tags)) | (now_tags - given_tags)
        self._tags[key] = names

    def _image(self, letter: _Letter, touched: Iterable[str]) -> Image:
        keys = [(letter.conversation_id, team) for team in touched]
        return {
            "conversation": letter.conversation_id,
            "rules_version": letter.rules_version,
            "trace": base64.b64encode(letter.trace).decode(),
            "problem": letter.problem,
            "teams": sorted(letter.teams),
            "entries": {key[1]: _values(self._entries.get(key)) for key in keys},
            "tags": {key[1]: sorted(self._tags.get(key, ())) for key in keys},
        }

    def _note(self, item: Refiling, before: Image, after: Image) -> None:
        # The routes that hold now stand beside the message; the journal only needs to know them again.
        after["trace"] = hashlib.sha256(item.trace).hexdigest()
        self._journal.append(
            {
                "replay_id": item.replay_id,
                "message_id": item.message_id,
                "before": json.dumps(before, separators=(",", ":")),
                "after": json.dumps(after, separators=(",", ":")),
            }
        )

    def write(self, connection: Connection) -> None:
        """Put everything back."""
        if not self._journal:
            return
        for row in self._journal:
            letter = self._letters[row["message_id"]]
            write_routes(connection, letter.message_id, letter.rules_version, letter.trace, letter.problem)
            write_teams(connection, letter.message_id, letter.conversation_id, letter.teams)
        for key in self._entries.keys() | self._entries_before.keys():
            if self._entries.get(key) != self._entries_before.get(key):
                write_entry(connection, key, self._entries.get(key))
        for key in self._tags.keys() | self._tags_before.keys():
            if self._tags.get(key) != self._tags_before.get(key):
                write_tags(connection, key, self._tags.get(key, ()))
        connection.execute(insert(replayed), self._journal)


def _letter(row: Any) -> _Letter:
    imported = row.origin == IMPORT
    filed = "" if row.screening is None else from_json(row.screening).filed
    mark = "" if row.evidence is None else evidence_from(row.evidence).mark
    return _Letter(
        message_id=row.message_id,
        conversation_id=row.conversation_id,
        incoming=row.direction == "in",
        by_person=row.automatic == Automatic.PERSON,
        imported=imported,
        rules_version=row.rules_version,
        problem=row.problem,
        trace=bytes(row.trace),
        places=_as_filed(places_in(bytes(row.trace), imported=imported) or {}, filed, mark),
        filed=filed,
        mark=mark,
    )


def _as_filed(places: Places, filed: str, mark: str) -> Places:
    """Return places with what comes to them whatever the rules say: marks, and spam by a filter or scanner."""
    tags = tuple(tag for tag in (VIRUS_TAG if filed == VIRUS else "", mark) if tag)
    if not (filed or tags):
        return places
    return {
        team: place._replace(state="spam" if filed else place.state, tags=tuple(dict.fromkeys((*place.tags, *tags))))
        for team, place in places.items()
    }


def _touched(letter: _Letter, new: Places, kept: tuple[str, ...]) -> list[str]:
    """Return the teams whose entries change; not those to which a person has moved the message, or from which."""
    old = letter.places
    teams = {team for team in old.keys() | new.keys() if old.get(team) != new.get(team)} - set(kept)
    return sorted(team for team in teams if team in letter.teams or team not in old)


def _arrival(letter: _Letter, place: Place) -> Arrival:
    return Arrival(
        message_id=letter.message_id,
        conversation_id=letter.conversation_id,
        incoming=letter.incoming,
        by_person=letter.by_person,
        places=((place.team, place.state, place.priority, place.tags),),
    )


def _values(entry: Image | None) -> list[Any] | None:
    return None if entry is None else [entry[name] for name in FIELDS]


def write_routes(
    connection: Connection, message_id: int, rules_version: str, trace: bytes, problem: str | None
) -> None:
    """Set by which rules, and how, a message was routed."""
    values = {"rules_version": rules_version, "trace": trace, "problem": problem}
    connection.execute(update(summaries).where(summaries.c.message_id == message_id).values(values))
    state = "filed" if problem is None else "problem"
    connection.execute(
        update(recipients)
        .where(
            recipients.c.message_id == message_id, recipients.c.state.in_(("filed", "problem")),
            recipients.c.state != state,
        )
        .values(state=state)
    )  # fmt: skip


def write_teams(connection: Connection, message_id: int, conversation_id: int, teams: Iterable[str]) -> None:
    """Set in which inboxes a message lies."""
    wanted = set(teams)
    there = set(connection.scalars(select(filings.c.team).where(filings.c.message_id == message_id)))
    if gone := there - wanted:
        connection.execute(delete(filings).where(filings.c.message_id == message_id, filings.c.team.in_(sorted(gone))))
    rows = [{"team": t, "message_id": message_id, "conversation_id": conversation_id} for t in sorted(wanted - there)]
    if rows:
        connection.execute(insert(filings), rows)


def write_entry(connection: Connection, key: _Key, entry: Image | None) -> None:
    """Set an entry; None takes it away."""
    conversation_id, team = key
    where = and_(entries.c.conversation_id == conversation_id, entries.c.team == team)
    if entry is None:
        connection.execute(delete(entries).where(where))
        return
    changed: Any = connection.execute(update(entries).where(where).values(revision=entries.c.revision + 1, **entry))
    if not changed.rowcount:
        connection.execute(insert(entries).values(conversation_id=conversation_id, team=team, **entry))


def write_tags(connection: Connection, key: _Key, names: Iterable[str]) -> None:
    """Set the tags of an entry."""
    conversation_id, team = key
    connection.execute(delete(tags).where(tags.c.conversation_id == conversation_id, tags.c.team == team))
    rows = [{"conversation_id": conversation_id, "team": team, "tag": name} for name in sorted(names)]
    if rows:
        connection.execute(insert(tags), rows)
