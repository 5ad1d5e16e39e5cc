"""Two conversations become one by hand, and two again.

The older one goes on; the references of both lead there. Every inbox keeps the letters that it had and gets no other.
Undone, letters go back where they came from; what came meanwhile goes with the letter that it answers, and of the
entries those are as before that nobody has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from maild.archive.commit import lock_head
from maild.archive.handling import Undo, Undone
from maild.archive.outgoing import survivor_of
from maild.archive.parting import (
    Image,
    both_references,
    copy_ways,
    decides,
    entry_images,
    is_untouched,
    journal,
    letters_of,
    move_letters,
    move_notes,
    note_acts,
    note_undo,
    note_undone,
    put_entry,
    remove_entry,
    seen_inboxes,
    settle,
    settle_both,
)
from maild.archive.schema import conversations, entries, message_refs
from maild.archive.schema_inbox import handed, seen
from maild.archive.schema_outgoing import drafts, notes
from maild.archive.threading import move
from maild.archive.upserting import inserting
from maild.mail.acts import Act
from maild.mail.inbox import is_confidential
from maild.policy.visible import Visible

KIND = "merged"
_LIKEWISE = (drafts, handed)  # go with their conversation, by their own ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """Somebody joins two conversations; `assigns` are the inboxes in which they may."""

    one_id: int
    other_id: int
    by: str
    at_ms: int
    visible: Visible
    assigns: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Into which conversation; or why not: missing | same | rights | confidential. `teams` have it now."""

    into_id: int | None = None
    refused: str = ""
    undo_id: int | None = None
    teams: frozenset[str] = frozenset()


def merge(connection: Connection, arguments: list[Merging]) -> list[Merged]:
    """Join conversations. A unit of work."""
    lock_head(connection)
    return [_merge(connection, asked) for asked in arguments]


def _merge(connection: Connection, asked: Merging) -> Merged:
    pair = {survivor_of(connection, number) for number in (asked.one_id, asked.other_id)}
    if len(pair) == 1:
        return Merged(refused="same")
    into_id, from_id = sorted(pair)
    was = {number: entry_images(connection, number) for number in (into_id, from_id)}
    concerned = {number: seen_inboxes(images, asked.visible) for number, images in was.items()}
    if refused := _refusal(connection, asked, concerned):
        return Merged(refused=refused)
    image: Image = {
        "joined": KIND,
        "from": from_id,
        "into": into_id,
        "had": sorted(letters_of(connection, into_id)),
        "notes": _ids(connection, notes, from_id),
        **{table.name: _ids(connection, table, from_id) for table in _LIKEWISE},
        "handed_before": _ids(connection, handed, into_id),
        "was": {"from": was[from_id], "into": was[into_id]},
        "teams": sorted(decides(connection, into_id, concerned[into_id] | concerned[from_id])),
    }
    _join_readings(connection, from_id, into_id)
    image["letters"] = move(connection, from_id, into_id)
    _join_returns(connection, into_id, was)
    revisions = settle(connection, into_id, {})
    image["now"] = entry_images(connection, into_id)
    journal(connection, "merged", from_id, into_id, letters=image["letters"], at_ms=asked.at_ms)
    there = {(into_id, team): revision for team, revision in revisions.items()}
    note_acts(
        connection, asked.by, asked.at_ms, Act.MERGED, there,
        **both_references(connection, from_id, into_id), letters=len(image["letters"]),
    )  # fmt: skip
    undo_id = note_undo(connection, asked.by, asked.at_ms, image)
    return Merged(into_id=into_id, undo_id=undo_id, teams=frozenset(revisions))


def _refusal(connection: Connection, asked: Merging, concerned: Mapping[int, frozenset[str]]) -> str:
    for number, inboxes in concerned.items():
        if not inboxes:
            return "missing"
        if not decides(connection, number, inboxes) <= asked.assigns:
            return "rights"
    secret = {any(map(is_confidential, inboxes)) for inboxes in concerned.values()}
    return "confidential" if len(secret) > 1 else ""


def _ids(connection: Connection, table: Any, conversation_id: int) -> list[int]:
    return list(connection.scalars(select(table.c.id).where(table.c.conversation_id == conversation_id)))


def _join_returns(connection: Connection, into_id: int, was: Mapping[int, Mapping[str, Image]]) -> None:
    """Let what waits come back on the earlier of its days."""
    days: dict[str, list[int]] = {}
    for images in was.values():
        for team, image in images.items():
            if image["returns_ms"] is not None:
                days.setdefault(team, []).append(image["returns_ms"])
    for team, found in days.items():
        waits = (entries.c.conversation_id == into_id, entries.c.team == team, entries.c.state == "waiting")
        connection.execute(update(entries).where(*waits).values(returns_ms=min(found)))


def _join_readings(connection: Connection, from_id: int, into_id: int) -> None:
    """Note up to where people have read the two: not beyond the first letter that one of them has unread."""
    newest = {number: max(letters_of(connection, number)) for number in (from_id, into_id)}
    read: dict[int, dict[int, int]] = {}
    for row in connection.execute(select(seen).where(seen.c.conversation_id.in_(newest))):
        read.setdefault(row.user_id, {})[row.conversation_id] = row.newest_id
    put = inserting(seen, connection.dialect.name)
    put = put.on_conflict_do_update(
        index_elements=["user_id", "conversation_id"], set_={"newest_id": put.excluded.newest_id}
    )
    for user_id, here in read.items():
        ends = [here.get(number, 0) for number in newest if here.get(number, 0) < newest[number]]
        upto = min(ends) if ends else max(newest.values())
        connection.execute(put, {"user_id": user_id, "conversation_id": into_id, "newest_id": upto})


# --- taking back ------------------------------------------------------------------------------------------------


def part_again(connection: Connection, asked: Undo, image: Image) -> Undone:
    """Take a merge back, where both are still one, within a unit of work."""
    from_id, into_id, letters = image["from"], image["into"], set(image["letters"])
    here = letters_of(connection, into_id)
    merged_into = connection.scalar(select(conversations.c.merged_into).where(conversations.c.id == from_id))
    if merged_into != into_id or not letters <= here or not here & set(image["had"]):
        return Undone(left=1)
    letters |= _answers_to(connection, here - letters - set(image["had"]), letters, set(image["had"]))
    now = entry_images(connection, into_id)
    connection.execute(update(conversations).where(conversations.c.id == from_id).values(merged_into=None))
    move_letters(connection, letters, from_id)
    move_notes(connection, _still(connection, notes, image["notes"], into_id), from_id)
    for table in _LIKEWISE:
        ids = _still(connection, table, image[table.name], into_id)
        connection.execute(update(table).where(table.c.id.in_(ids)).values(conversation_id=from_id))
    copy_ways(connection, into_id, from_id, image["handed_before"])
    _restore(connection, image, now)
    revisions = settle_both(connection, (into_id, from_id), now)
    return note_undone(connection, asked, image, letters, revisions)


def _answers_to(connection: Connection, later: set[int], going: set[int], staying: set[int]) -> set[int]:
    """Return those of the later letters that answer one that goes, or one of themselves that does."""
    gone = set(going)
    for number in sorted(later):
        own = message_refs.alias("own")
        parents = connection.scalars(
            select(own.c.message_id)
            .join_from(message_refs, own, (own.c.target == message_refs.c.target) & (own.c.position == 0))
            .where(message_refs.c.message_id == number, message_refs.c.position > 0)
            .order_by(message_refs.c.position)
        )
        nearest = next((each for each in parents if each in gone | staying), None)
        (gone if nearest in gone else staying).add(number)
    return gone - going


def _still(connection: Connection, table: Any, ids: list[int], conversation_id: int) -> list[int]:
    where = (table.c.id.in_(ids), table.c.conversation_id == conversation_id)
    return list(connection.scalars(select(table.c.id).where(*where)))


def _restore(connection: Connection, image: Image, now: Mapping[str, Image]) -> None:
    """Put back the entries as they were; what somebody has done since stays done, in the conversation that goes on."""
    from_id, into_id = image["from"], image["into"]
    was_from, was_into = image["was"]["from"], image["was"]["into"]
    for team, was in was_from.items():
        top = max(was["revision"], now.get(team, was)["revision"]) + 1
        if team not in was_into and team in now:
            remove_entry(connection, into_id, team)
            put_entry(connection, from_id, team, now[team], top)
        else:
            put_entry(connection, from_id, team, was, top)
    for team, was in was_into.items():
        if is_untouched(now.get(team), image["now"].get(team)):
            put_entry(connection, into_id, team, was, now[team]["revision"])
