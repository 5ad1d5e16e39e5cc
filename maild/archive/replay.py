"""Replays: mail that was filed anew, journaled, so that one command takes it back.

A replay is begun before its first message is moved, and goes on where it was cut off: the newest one that did not come
to its end is taken up again by whoever asks for the same. What it moved is in `replayed` until it is taken back; what
was taken back is there no more.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from maild.archive.audit import OPERATOR, Record, record
from maild.archive.commit import lock_head
from maild.archive.questions import Question
from maild.archive.refiling import FIELDS, Image, write_entry, write_routes, write_tags, write_teams
from maild.archive.schema import entries, filings, replayed, replays, rules_versions, summaries, tags
from maild.errors import NotFoundError
from maild.mail.acts import Act

_SEEN = FIELDS.index("seen_ms")  # to look at a letter is no change


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which mail, as it was said: from a time on, and by a query. Empty: not said."""

    since: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A replay that is to begin, or to go on."""

    at_ms: int
    author: str
    selection: Selection
    rules_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay as lists show it. `messages`: how many lie where it put them; `ended`: it was not cut off."""

    id: int
    at_ms: int
    author: str
    selection: Selection
    ended: bool
    rules_version: str
    rules_number: int | None
    taken_back_ms: int | None
    messages: int


class Step(NamedTuple):
    """One message of a replay."""

    replay_id: int
    message_id: int


class Ending(NamedTuple):
    """A replay that was taken back."""

    replay_id: int
    at_ms: int
    by: str = ""


def begin(connection: Connection, beginnings: list[Beginning]) -> Sequence[int]:
    """Begin replays, or take up again the newest when it is the same and was cut off; return their ids. A unit."""
    return [_begun(connection, beginning) for beginning in beginnings]


def _begun(connection: Connection, beginning: Beginning) -> int:
    newest = connection.execute(select(replays).order_by(replays.c.id.desc()).limit(1)).first()
    if newest is not None and newest.taken_back_ms is None and not newest.ended:
        asked = Selection(since=newest.since, query=newest.query), newest.rules_version
        if asked == (beginning.selection, beginning.rules_version):
            return int(newest.id)
    number = 1 if newest is None else newest.id + 1
    connection.execute(
        insert(replays).values(
            id=number,
            at_ms=beginning.at_ms,
            author=beginning.author,
            since=beginning.selection.since,
            query=beginning.selection.query,
            rules_version=beginning.rules_version,
            ended=0,
        )
    )
    record(connection, [Record(
        at_ms=beginning.at_ms, actor=OPERATOR, act=Act.RULES, about=beginning.rules_version,
        details={
            "what": "filed mail anew", "replay": number, "since": beginning.selection.since or "",
            "query": beginning.selection.query or "", "account": beginning.author,
        },
    )])  # fmt: skip
    return int(number)


def end(connection: Connection, ids: list[int]) -> list[None]:
    """Note that replays came to their end. A unit of work."""
    connection.execute(update(replays).where(replays.c.id.in_(ids)).values(ended=1))
    return [None] * len(ids)


# --- what there is ------------------------------------------------------------------------------------------


def all_replays(connection: Connection) -> list[Replay]:
    """Return every replay, the newest first."""
    counted = select(replayed.c.replay_id, func.count()).group_by(replayed.c.replay_id)
    counts: dict[int, int] = {number: count for number, count in connection.execute(counted)}  # noqa: C416 - dict() of rows has no type
    rows = connection.execute(select(replays).order_by(replays.c.id.desc()))
    return [_replay(connection, row, counts.get(row.id, 0)) for row in rows.all()]


def replay_to_undo(connection: Connection, number: int | None) -> Replay:
    """Return a replay by its number, or the newest that holds; raises NotFoundError."""
    found = all_replays(connection)
    for replay in found:
        if replay.id == number or (number is None and replay.taken_back_ms is None):
            return replay
    if number is None:
        raise NotFoundError("there is no replay to take back")
    raise NotFoundError(f"there is no replay {number}; `maild rules replays` lists them")


def _replay(connection: Connection, row: Row[Any], count: int) -> Replay:
    return Replay(
        id=row.id,
        at_ms=row.at_ms,
        author=row.author,
        selection=Selection(since=row.since, query=row.query),
        ended=bool(row.ended),
        rules_version=row.rules_version,
        rules_number=_number(connection, row.rules_version),
        taken_back_ms=row.taken_back_ms,
        messages=count,
    )


def _number(connection: Connection, digest: str) -> int | None:
    newest = select(func.max(rules_versions.c.number)).where(rules_versions.c.digest == digest)
    number: int | None = connection.scalar(newest)
    return number


def last_refiled(connection: Connection, message_id: int) -> int | None:
    """Return when the replay was that a message lies where it lies by; None: it lies where it came to first.

    The caller has made sure that the message may be seen.
    """
    found: int | None = connection.scalar(
        select(replays.c.at_ms)
        .join_from(replayed, replays, replays.c.id == replayed.c.replay_id)
        .where(replayed.c.message_id == message_id)
        .order_by(replays.c.id.desc())
        .limit(1)
    )
    return found


def newest_step(connection: Connection) -> tuple[int, int]:
    """Return a mark that is another one after anything was filed anew or taken back; it says nothing of mail."""
    row = _NEWEST_STEP.first(connection)
    return (0, 0) if row is None else (row.replay_id, row.message_id)


_NEWEST_STEP = Question(
    lambda: (
        select(replayed.c.replay_id, replayed.c.message_id)
        .order_by(replayed.c.replay_id.desc(), replayed.c.message_id.desc())
        .limit(1)
    )
)


# --- the way back -------------------------------------------------------------------------------------------


def steps(connection: Connection, replay_id: int, before_id: int | None, limit: int) -> list[Step]:
    """Return messages of a replay, those it moved last first."""
    statement = select(replayed.c.message_id).where(replayed.c.replay_id == replay_id)
    if before_id is not None:
        statement = statement.where(replayed.c.message_id < before_id)
    found = connection.scalars(statement.order_by(replayed.c.message_id.desc()).limit(limit))
    return [Step(replay_id, message_id) for message_id in found]


def restore(connection: Connection, items: list[Step]) -> list[bool]:
    """Put messages back to where they lay before; False where something was changed since. A unit of work.

    They are to come in the order of `steps`: the images of two messages of one conversation build on each other.
    """
    lock_head(connection)
    return [_restored(connection, item) for item in items]


def _restored(connection: Connection, item: Step) -> bool:
    which = (replayed.c.replay_id == item.replay_id, replayed.c.message_id == item.message_id)
    row = connection.execute(select(replayed.c.before, replayed.c.after).where(*which)).first()
    if row is None:
        return True
    before, after = json.loads(row.before), json.loads(row.after)
    if _present(connection, item.message_id, after) != _comparable(after):
        return False
    conversation_id = before["conversation"]
    trace = base64.b64decode(before["trace"])
    write_routes(connection, item.message_id, before["rules_version"], trace, before["problem"])
    write_teams(connection, item.message_id, conversation_id, before["teams"])
    for team, values in before["entries"].items():
        entry = None if values is None else dict(zip(FIELDS, values, strict=True))
        write_entry(connection, (conversation_id, team), entry)
        write_tags(connection, (conversation_id, team), before["tags"][team])
    connection.execute(delete(replayed).where(*which))
    return True


def _present(connection: Connection, message_id: int, after: Image) -> Image:
    """Return an image of how a message lies now, of the same parts."""
    s, e = summaries.c, entries.c
    row = connection.execute(select(summaries).where(s.message_id == message_id)).one()
    teams = connection.scalars(select(filings.c.team).where(filings.c.message_id == message_id))
    touched = list(after["entries"])
    there = connection.execute(
        select(entries).where(e.conversation_id == row.conversation_id, e.team.in_(touched)).order_by(e.team)
        .with_for_update()
    )  # fmt: skip
    found = {r.team: [getattr(r, name) for name in FIELDS] for r in there}
    tagged: dict[str, list[str]] = {team: [] for team in touched}
    for tag in connection.execute(
        select(tags).where(tags.c.conversation_id == row.conversation_id, tags.c.team.in_(touched)).order_by(tags.c.tag)
    ):
        tagged[tag.team].append(tag.tag)
    return _comparable(
        {
            "conversation": row.conversation_id,
            "rules_version": row.rules_version,
            "trace": hashlib.sha256(bytes(row.trace)).hexdigest(),
            "problem": row.problem,
            "teams": sorted(teams),
            "entries": {team: found.get(team) for team in touched},
            "tags": {team: sorted(names) for team, names in tagged.items()},
        }
    )


def _comparable(image: Image) -> Image:
    """Leave out of an image whether somebody looked: to look at a letter is no change."""
    unseen = {
        team: None if values is None else [v for i, v in enumerate(values) if i != _SEEN]
        for team, values in image["entries"].items()
    }
    return image | {"entries": unseen}


def take_back(connection: Connection, endings: list[Ending]) -> list[None]:
    """Note that replays were taken back. A unit of work."""
    for ending in endings:
        connection.execute(
            update(replays)
            .where(replays.c.id == ending.replay_id)
            .values(
                taken_back_ms=ending.at_ms,
            )
        )
        record(connection, [Record(
            at_ms=ending.at_ms, actor=OPERATOR, act=Act.RULES,
            details={"what": "took back what was filed anew", "replay": ending.replay_id, "account": ending.by},
        )])  # fmt: skip
    return [None] * len(endings)
