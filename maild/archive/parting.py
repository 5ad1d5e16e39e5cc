"""What merging and splitting by hand share: letters change their conversation, and the entries follow them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, or_, select, update

from maild.archive.audit import Record, record
from maild.archive.handling import Undo, Undone
from maild.archive.inboxes import waiting_since
from maild.archive.schema import conversations, entries, filings, joins, summaries, tags
from maild.archive.schema_inbox import handed, mentions, undos
from maild.archive.schema_outgoing import notes
from maild.archive.ways import end_of, open_ways
from maild.mail.acts import Act
from maild.policy.visible import Visible

Image = dict[str, Any]
_FIELDS = ("state", "assignee", "priority", "newest_id", "waiting_since_ms", "seen_ms", "revision", "returns_ms")
_DEFAULT = {"state": "open", "assignee": None, "priority": 1, "seen_ms": None, "revision": 0, "returns_ms": None}


def entry_images(connection: Connection, conversation_id: int) -> dict[str, Image]:
    """Return the entries of a conversation with their tags, by inbox."""
    rows = connection.execute(select(entries).where(entries.c.conversation_id == conversation_id))
    found = {row.team: {**{name: getattr(row, name) for name in _FIELDS}, "tags": []} for row in rows}
    tagged = select(tags.c.team, tags.c.tag).where(tags.c.conversation_id == conversation_id).order_by(tags.c.tag)
    for team, tag in connection.execute(tagged):
        found.get(team, {"tags": []})["tags"].append(tag)
    return found


def is_untouched(now: Image | None, then: Image | None) -> bool:
    """Tell whether nobody has changed an entry; looking at it changes nothing."""
    return now is not None and then is not None and now | {"seen_ms": None} == then | {"seen_ms": None}


def put_entry(connection: Connection, conversation_id: int, team: str, image: Image, revision: int) -> None:
    """Set an entry and its tags, as they were at some time."""
    remove_entry(connection, conversation_id, team)
    values = {name: image[name] for name in _FIELDS} | {"revision": revision}
    connection.execute(insert(entries).values(conversation_id=conversation_id, team=team, **values))
    rows = [{"conversation_id": conversation_id, "team": team, "tag": tag} for tag in image["tags"]]
    if rows:
        connection.execute(insert(tags), rows)


def remove_entry(connection: Connection, conversation_id: int, team: str) -> None:
    """Take an entry and its tags away."""
    for table in (entries, tags):
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id, table.c.team == team))


def move_letters(connection: Connection, message_ids: Iterable[int], into_id: int) -> None:
    """Make letters those of another conversation, in whatever inboxes they lie."""
    ids = sorted(message_ids)
    for table in (summaries, filings):
        connection.execute(update(table).where(table.c.message_id.in_(ids)).values(conversation_id=into_id))


def move_notes(connection: Connection, note_ids: Iterable[int], into_id: int) -> None:
    """Make notes, and who is mentioned in them, those of another conversation."""
    ids = sorted(note_ids)
    connection.execute(update(notes).where(notes.c.id.in_(ids)).values(conversation_id=into_id))
    connection.execute(update(mentions).where(mentions.c.note_id.in_(ids)).values(conversation_id=into_id))


def letters_of(connection: Connection, conversation_id: int) -> set[int]:
    """Return the ids of a conversation's letters."""
    return set(connection.scalars(select(summaries.c.message_id).where(summaries.c.conversation_id == conversation_id)))


def settle(connection: Connection, conversation_id: int, like: Mapping[str, Image]) -> dict[str, int]:
    """Let the entries follow the letters; returns the inboxes with the entries' revisions.

    Without a letter there is no entry; one that is missing comes as that of the same inbox in `like`. Whoever has an
    entry before their eyes is told that it is another one now.
    """
    found = connection.execute(
        select(filings.c.team, func.max(filings.c.message_id).label("newest"))
        .where(filings.c.conversation_id == conversation_id)
        .group_by(filings.c.team)
    )
    newest = {row.team: row.newest for row in found}
    there = entry_images(connection, conversation_id)
    for team in there.keys() - newest.keys():
        remove_entry(connection, conversation_id, team)
    revisions = {}
    for team, newest_id in newest.items():
        image = there.get(team) or like.get(team) or {**_DEFAULT, "tags": []}
        since_ms = waiting_since(connection, conversation_id, team)
        image = image | {"newest_id": newest_id, "waiting_since_ms": since_ms}
        revisions[team] = image["revision"] + 1
        put_entry(connection, conversation_id, team, image, revisions[team])
    return revisions


def settle_both(connection: Connection, pair: tuple[int, int], like: Mapping[str, Image]) -> dict[tuple[int, str], int]:
    """Let the entries of two conversations follow their letters; returns the entries with their revisions."""
    return {(number, team): revision for number in pair for team, revision in settle(connection, number, like).items()}


def copy_ways(connection: Connection, old_id: int, new_id: int, known: Iterable[int] = ()) -> list[int]:
    """Let what comes for a team that has handed letters over go on to who has them; returns the new rows.

    `known` are rows of the old conversation that are none of the new one's business.
    """
    there = select(filings.c.team).where(filings.c.conversation_id == new_id)
    before = set(connection.scalars(select(handed.c.id).where(handed.c.conversation_id == new_id)))
    columns = [column for column in handed.c if column.name not in {"id", "conversation_id"}]
    connection.execute(
        insert(handed).from_select(
            ["conversation_id", *(column.name for column in columns)],
            select(literal(new_id), *columns).where(
                handed.c.conversation_id == old_id,
                handed.c.ended_ms.is_(None),
                handed.c.id.not_in(sorted(known)),
                or_(handed.c.from_team.in_(there), handed.c.to_team.in_(there)),
            ),
        )
    )
    return sorted(set(connection.scalars(select(handed.c.id).where(handed.c.conversation_id == new_id))) - before)


def reference_of(connection: Connection, conversation_id: int) -> str:
    """Return the reference of a conversation, also of one that was merged into another."""
    return connection.scalar(select(conversations.c.reference).where(conversations.c.id == conversation_id)) or ""


def both_references(connection: Connection, from_id: int, into_id: int) -> dict[str, str]:
    """Return the references of two conversations, as the audit log has them."""
    return {"from": reference_of(connection, from_id), "into": reference_of(connection, into_id)}


def decides(connection: Connection, conversation_id: int, inboxes: Iterable[str]) -> frozenset[str]:
    """Return who decides on what lies in inboxes: what was handed over is the business of who has it."""
    ways = open_ways(connection, conversation_id)
    return frozenset(end_of(ways, team) for team in inboxes)


def seen_inboxes(inboxes: Iterable[str], visible: Visible) -> frozenset[str]:
    """Return the inboxes that a person may see.

    Security: the others neither stop nor change an act, or it would tell that the letter lies in one of them, too.
    """
    return frozenset(team for team in inboxes if visible.everything or team in visible.teams)


def journal(
    connection: Connection, kind: str, from_id: int, into_id: int, *, letters: Iterable[int], at_ms: int
) -> None:
    """Write down what was joined or parted."""
    connection.execute(
        insert(joins).values(
            kind=kind, from_id=from_id, into_id=into_id, message_ids=json.dumps(sorted(letters)), at_ms=at_ms
        )
    )


def note_undo(connection: Connection, by: str, at_ms: int, image: Image) -> int:
    """Keep how it was, for who did it; returns the number of the undo."""
    made: Any = connection.execute(
        insert(undos).values(by=by, at_ms=at_ms, image=json.dumps([image], separators=(",", ":")))
    )
    return int(made.inserted_primary_key[0])


def note_undone(
    connection: Connection, asked: Undo, image: Image, letters: Iterable[int], revisions: Mapping[tuple[int, str], int]
) -> Undone:
    """Write down that a merge was taken back, which parts two conversations, or a split, which joins them again."""
    from_id, into_id = image["from"], image["into"]
    opposite = "split" if image["joined"] == "merged" else "merged"
    journal(connection, opposite, into_id, from_id, letters=letters, at_ms=asked.at_ms)
    references = both_references(connection, from_id, into_id)
    note_acts(connection, asked.by, asked.at_ms, Act.UNDONE, revisions, what=image["joined"], **references)
    return Undone(restored=tuple(sorted(revisions)))


def note_acts(
    connection: Connection, by: str, at_ms: int, act: Act, revisions: Mapping[tuple[int, str], int], **details: Any
) -> None:
    """Append an act to the audit log, at each entry that it changed."""
    record(connection, [
        Record(
            at_ms=at_ms, actor=by, act=act, team=team, conversation_id=conversation_id,
            details={**details, "revision": revision},
        )
        for (conversation_id, team), revision in sorted(revisions.items())
    ])  # fmt: skip
