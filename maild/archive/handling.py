"""What colleagues do to the entries of an inbox: one or many at once, never past each other unseen; and undoing it.

Whoever acts says which revision of the entry was before their eyes. An entry that is another one by then is left as it
is, and they are told who did what. What an act changes is journaled with it, so that it can be taken back where nobody
has changed it since. Whether they may do it was decided by `policy` before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, exists, func, insert, or_, select, update

from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.lessons import Taught, teach
from maild.archive.questions import Question
from maild.archive.schema import entries, tags, users
from maild.archive.schema_inbox import undos
from maild.archive.schema_people import audit
from maild.mail.acts import Act

UNDO_MS = 10 * 60 * 1000  # the page offers it until the next act; this long it is believed
JOIN_UNDO_MS = 30 * 86_400_000  # that two matters are not one shows when the next letter comes
JOINED = '[{"joined":'  # how the image of a merge or a split begins
_KEEP_MS = 24 * 3600 * 1000
_MOST_TOLD = 5
_MOST_TAGS = 30  # of an entry
NOBODY = 0  # as an assignee
FIELDS = ("state", "assignee", "priority", "returns_ms")
Image = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What is done to one entry; None leaves as it is.

    `shown` is the revision that the page showed; None does not ask. `returns_ms`: when what is to wait opens by itself.
    With `held_by`, an entry that is no longer assigned to this person is not there.
    """

    conversation_id: int
    team: str
    shown: int | None = None
    state: str | None = None
    returns_ms: int | None = None
    assignee: int | None = None  # NOBODY takes it from whoever has it
    priority: int | None = None
    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()
    taught: Taught | None = None
    held_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An act of one person on entries: one transaction."""

    by: str
    at_ms: int
    handlings: tuple[Handling, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of it: keys of entries. `overtaken` were changed by others meanwhile, `gone` are there no more."""

    done: tuple[tuple[int, str], ...] = ()
    overtaken: tuple[tuple[int, str], ...] = ()
    gone: tuple[tuple[int, str], ...] = ()
    undo_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Somebody takes back what they did, in the teams where they still may; in `assigns` also a merge or a split.

    In those where `user_id` only `helps`, as long as the entry is theirs.
    """

    id: int
    by: str
    at_ms: int
    teams: frozenset[str]
    assigns: frozenset[str] = frozenset()
    helps: frozenset[str] = frozenset()
    user_id: int | None = None
    learns: bool = False  # a spam filter is taught by what people call spam


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What was restored; `left` were changed by others since, or are no longer the person's business."""

    restored: tuple[tuple[int, str], ...] = ()
    left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a colleague did to an entry. `actor` is a name, "" for maild itself."""

    login: str
    actor: str
    act: str
    at_ms: int
    details: Mapping[str, Any]


def handle(connection: Connection, arguments: list[Work]) -> list[Worked]:
    """Carry out what people do to entries. A unit of work."""
    lock_head(connection)  # the row that orders all writers: two locks could be taken in two orders
    return [_work(connection, work) for work in arguments]


def _work(connection: Connection, work: Work) -> Worked:
    done, overtaken, gone = [], [], []
    images: list[Image] = []
    for handling in sorted(work.handlings, key=lambda h: (h.conversation_id, h.team)):
        key = (handling.conversation_id, handling.team)
        row = entry_row(connection, *key)
        if row is None or handling.held_by not in {None, row.assignee}:
            gone.append(key)
        elif handling.shown is not None and row.revision != handling.shown:
            overtaken.append(key)
        else:
            image = _handled(connection, work, handling, row)
            done.append(key)
            images += [image] if image is not None else []
    undo_id = _journal(connection, work, images) if images else None
    return Worked(done=tuple(done), overtaken=tuple(overtaken), gone=tuple(gone), undo_id=undo_id)


def entry_row(connection: Connection, conversation_id: int, team: str) -> Row[Any] | None:
    """Return an entry, locked, within a unit of work."""
    return connection.execute(select(entries).where(_is(conversation_id, team)).with_for_update(of=entries)).first()


def _is(conversation_id: int, team: str) -> Any:
    return and_(entries.c.conversation_id == conversation_id, entries.c.team == team)


def _handled(connection: Connection, work: Work, handling: Handling, row: Row[Any]) -> Image | None:
    """Change an entry; return how it was, None when there was nothing to change."""
    was = {name: getattr(row, name) for name in FIELDS}
    now = was | _wanted(handling)
    names = frozenset(_tags(connection, row.conversation_id, row.team))
    named = (names - handling.remove_tags) | handling.add_tags
    named = names if len(named) > max(_MOST_TAGS, len(names)) else named
    if now == was and named == names:
        return None
    if handling.taught is not None and handling.state is not None:
        teach(connection, row.conversation_id, row.team, handling.state, handling.taught)
    revision = row.revision + 1
    connection.execute(update(entries).where(_is(row.conversation_id, row.team)).values(revision=revision, **now))
    _write_tags(connection, row, names, named)
    record(connection, _records(connection, work, row, was | {"tags": names}, now | {"tags": named}))
    return {"entry": [row.conversation_id, row.team], "was": was | {"tags": sorted(names)}, "revision": revision}


def _wanted(handling: Handling) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if handling.state is not None:
        wanted |= {"state": handling.state, "returns_ms": handling.returns_ms if handling.state == "waiting" else None}
    if handling.assignee is not None:
        wanted["assignee"] = handling.assignee or None
    if handling.priority is not None:
        wanted["priority"] = handling.priority
    return wanted


def _tags(connection: Connection, conversation_id: int, team: str) -> list[str]:
    where = (tags.c.conversation_id == conversation_id, tags.c.team == team)
    return list(connection.scalars(select(tags.c.tag).where(*where).order_by(tags.c.tag)))


def _write_tags(connection: Connection, row: Row[Any], was: frozenset[str], now: frozenset[str]) -> None:
    key = {"conversation_id": row.conversation_id, "team": row.team}
    if gone := was - now:
        where = (tags.c.conversation_id == row.conversation_id, tags.c.team == row.team, tags.c.tag.in_(sorted(gone)))
        connection.execute(delete(tags).where(*where))
    if come := now - was:
        connection.execute(insert(tags), [key | {"tag": tag} for tag in sorted(come)])


def _records(
    connection: Connection, work: Work, row: Row[Any], was: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterable[Record]:
    found: list[tuple[Act, dict[str, Any]]] = []
    if (was["state"], was["returns_ms"]) != (now["state"], now["returns_ms"]):
        until = {"until_ms": now["returns_ms"]} if now["returns_ms"] is not None else {}
        found.append((Act.STATE, {"from": was["state"], "to": now["state"], **until}))
    if was["assignee"] != now["assignee"]:
        people = [_login(connection, each["assignee"]) for each in (was, now)]
        found.append((Act.ASSIGNED, {"from": people[0], "to": people[1]}))
    if was["priority"] != now["priority"]:
        found.append((Act.PRIORITY, {"from": was["priority"], "to": now["priority"]}))
    if was["tags"] != now["tags"]:
        found.append(
            (Act.TAGGED, {"added": sorted(now["tags"] - was["tags"]), "removed": sorted(was["tags"] - now["tags"])})
        )
    return [
        Record(
            at_ms=work.at_ms, actor=work.by, act=act, team=row.team, conversation_id=row.conversation_id,
            details={**details, "revision": row.revision + 1},
        )
        for act, details in found
    ]  # fmt: skip


def _login(connection: Connection, user_id: int | None) -> str:
    return connection.scalar(select(users.c.login).where(users.c.id == user_id)) or ""


# --- taking back ----------------------------------------------------------------------------------------------


def _journal(connection: Connection, work: Work, images: list[Image]) -> int:
    old = (undos.c.by == work.by, undos.c.at_ms < work.at_ms - _KEEP_MS)
    connection.execute(delete(undos).where(*old))
    made: Any = connection.execute(
        insert(undos).values(by=work.by, at_ms=work.at_ms, image=json.dumps(images, separators=(",", ":")))
    )
    return int(made.inserted_primary_key[0])


def undoable(connection: Connection, *, by: str, undo_id: int, now_ms: int) -> int:
    """Return how many entries a person's act has changed that can still be undone; 0: there is nothing to undo."""
    lately = undos.c.at_ms > now_ms - UNDO_MS
    joined = and_(undos.c.image.startswith(JOINED), undos.c.at_ms > now_ms - JOIN_UNDO_MS)
    where = (undos.c.id == undo_id, undos.c.by == by, or_(lately, joined), undos.c.undone_ms.is_(None))
    image = connection.scalar(select(undos.c.image).where(*where))
    return 0 if image is None else len(json.loads(image))


def undo(connection: Connection, arguments: list[Undo]) -> list[Undone]:
    """Take back acts, entry by entry, where nobody has changed it since. A unit of work."""
    lock_head(connection)
    return [_undo(connection, asked) for asked in arguments]


def _undo(connection: Connection, asked: Undo) -> Undone:
    if not undoable(connection, by=asked.by, undo_id=asked.id, now_ms=asked.at_ms):
        return Undone()
    connection.execute(update(undos).where(undos.c.id == asked.id).values(undone_ms=asked.at_ms))
    images: list[Image] = json.loads(connection.scalar(select(undos.c.image).where(undos.c.id == asked.id)) or "[]")
    restored, left = [], 0
    for image in images:
        conversation_id, team = image["entry"]
        row = entry_row(connection, conversation_id, team) if team in asked.teams | asked.helps else None
        is_theirs = row is not None and (team in asked.teams or row.assignee == asked.user_id)
        if row is None or not is_theirs or row.revision != image["revision"]:
            left += 1
            continue
        _restore(connection, asked, row, image["was"])
        restored.append((conversation_id, team))
    return Undone(restored=tuple(restored), left=left)


def _restore(connection: Connection, asked: Undo, row: Row[Any], was: Image) -> None:
    fields = {name: was[name] for name in FIELDS}
    if asked.learns:
        # What a filter learned from the act, it learns the other way round.
        teach(connection, row.conversation_id, row.team, was["state"], Taught(asked.by, asked.at_ms))
    where = _is(row.conversation_id, row.team)
    connection.execute(update(entries).where(where).values(revision=row.revision + 1, **fields))
    _write_tags(connection, row, frozenset(_tags(connection, row.conversation_id, row.team)), frozenset(was["tags"]))
    details = {"to": {**fields, "tags": was["tags"]}, "revision": row.revision + 1}
    record(connection, [Record(
        at_ms=asked.at_ms, actor=asked.by, act=Act.UNDONE, team=row.team, conversation_id=row.conversation_id,
        details=details,
    )])  # fmt: skip


# --- what others did --------------------------------------------------------------------------------------------


def since(connection: Connection, *, conversation_id: int, team: str, revision: int) -> tuple[Told, ...]:
    """Return what was done to an entry after a revision, newest first; the caller may see the team."""
    name = users.c.name
    rows = connection.execute(
        select(audit.c.actor, audit.c.act, audit.c.at_ms, audit.c.details, name)
        .outerjoin(users, users.c.login == audit.c.actor)
        .where(audit.c.conversation_id == conversation_id, audit.c.team == team)
        .order_by(audit.c.sequence.desc())
        .limit(50)
    )
    told = [
        Told(
            login=row.actor, actor=row.name or row.actor, act=row.act, at_ms=row.at_ms, details=json.loads(row.details)
        )
        for row in rows
    ]
    return tuple(each for each in told if each.details.get("revision", 0) > revision)[:_MOST_TOLD]


def known_tags(connection: Connection, teams: Iterable[str], limit: int = 200) -> tuple[str, ...]:
    """Return the tags in use in teams; the caller may see them."""
    return tuple(_KNOWN_TAGS.scalars(connection, limit, teams=frozenset(teams)))


def _known_tags(limit: int) -> Select[Any]:
    """Go from tag to tag: there are few, and each is on many conversations, which need not be looked at."""
    each = select(func.min(tags.c.tag).label("tag")).cte("each", recursive=True)
    after = select(func.min(tags.c.tag)).where(tags.c.tag > each.c.tag).correlate(each).scalar_subquery()
    each = each.union_all(select(after).where(each.c.tag.is_not(None)))
    used = tags.alias("used")
    here = (used.c.tag == each.c.tag, used.c.team.in_(bindparam("teams", expanding=True)))
    return select(each.c.tag).where(exists().where(*here)).order_by(each.c.tag).limit(limit)


_KNOWN_TAGS = Question(_known_tags)


# --- what comes back by itself ------------------------------------------------------------------------------------


def is_due(connection: Connection, now_ms: int) -> bool:
    """Tell whether something waits until a time that is over."""
    return connection.scalar(select(entries.c.team).where(entries.c.returns_ms <= now_ms).limit(1)) is not None


def bring_back(connection: Connection, arguments: list[int]) -> list[frozenset[str]]:
    """Open what waited until a time that is over; returns the teams. A unit of work."""
    lock_head(connection)
    return [_bring_back(connection, now_ms) for now_ms in arguments]


def _bring_back(connection: Connection, now_ms: int) -> frozenset[str]:
    due = select(entries).where(entries.c.returns_ms <= now_ms).order_by(entries.c.conversation_id, entries.c.team)
    teams = set()
    for row in connection.execute(due.limit(500).with_for_update(of=entries)).all():
        values = {"returns_ms": None, "revision": row.revision + 1}
        if row.state == "waiting":
            values |= {"state": "open", "seen_ms": None}
            record(connection, [Record(
                at_ms=now_ms, actor="", act=Act.STATE, team=row.team, conversation_id=row.conversation_id,
                details={"from": "waiting", "to": "open", "until_ms": row.returns_ms, "revision": row.revision + 1},
            )])  # fmt: skip
        connection.execute(update(entries).where(_is(row.conversation_id, row.team)).values(values))
        teams.add(row.team)
    return frozenset(teams)
