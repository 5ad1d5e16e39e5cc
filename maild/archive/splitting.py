"""Letters of a conversation become one of their own by hand, and go back.

The new conversation begins as the old one stands: its state, assignee, priority and tags. What was written under a
letter or in answer to it goes with it, and so does what leads from team to team. Later letters that refer to both stay
with the one whose letter they answer (`maild.archive.apart`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select, update

from maild.archive.allowed import allowed
from maild.archive.commit import lock_head
from maild.archive.handling import Undo, Undone
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
    settle,
    settle_both,
)
from maild.archive.schema import conversations, filings, messages, summaries
from maild.archive.schema_inbox import handed, seen
from maild.archive.schema_outgoing import drafts, notes
from maild.archive.threading import move
from maild.mail.acts import Act
from maild.mail.ids import REFERENCE_BITS, format_reference
from maild.policy.visible import Visible

KIND = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting:
    """Somebody makes letters a conversation of their own; `reference_bits` is chance for its reference."""

    conversation_id: int
    letters: frozenset[int]
    by: str
    at_ms: int
    visible: Visible
    assigns: frozenset[str]
    reference_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The new conversation; or why there is none: missing | all | rights. `teams` have one of the two."""

    reference: str = ""
    refused: str = ""
    undo_id: int | None = None
    teams: frozenset[str] = frozenset()


def split(connection: Connection, arguments: list[Splitting]) -> list[Split]:
    """Part conversations. A unit of work."""
    lock_head(connection)
    return [_split(connection, asked) for asked in arguments]


def _split(connection: Connection, asked: Splitting) -> Split:
    old_id, letters = asked.conversation_id, sorted(asked.letters)
    places = _places(connection, asked)
    if not letters or not asked.letters <= places.keys():
        return Split(refused="missing")
    if asked.letters == places.keys():
        return Split(refused="all")
    inboxes = frozenset(team for number in letters for team in places[number])
    deciding = decides(connection, old_id, inboxes)
    if not deciding <= asked.assigns:
        return Split(refused="rights")
    was = entry_images(connection, old_id)
    new_id, reference = _open(connection, letters, asked.reference_bits)
    _move(connection, letters, old_id, new_id)
    copied = copy_ways(connection, old_id, new_id)
    _copy_readings(connection, old_id, new_id)
    revisions = settle_both(connection, (old_id, new_id), was)
    journal(connection, "split", old_id, new_id, letters=letters, at_ms=asked.at_ms)
    note_acts(
        connection, asked.by, asked.at_ms, Act.SPLIT, revisions,
        **both_references(connection, old_id, new_id), letters=len(letters),
    )  # fmt: skip
    image: Image = {
        "joined": KIND,
        "from": old_id,
        "into": new_id,
        "was": was,
        "now": {"from": entry_images(connection, old_id), "into": entry_images(connection, new_id)},
        "handed": copied,
        "teams": sorted(deciding),
    }
    undo_id = note_undo(connection, asked.by, asked.at_ms, image)
    teams = frozenset(team for _, team in revisions)
    return Split(reference=reference, undo_id=undo_id, teams=teams)


def _places(connection: Connection, asked: Splitting) -> dict[int, set[str]]:
    """Return the letters of the conversation that the person sees, each with the inboxes in which they do."""
    found = connection.execute(
        select(filings.c.message_id, filings.c.team).where(
            filings.c.conversation_id == asked.conversation_id, allowed(filings.c.team, asked.visible)
        )
    )
    places: dict[int, set[str]] = {}
    for message_id, team in found:
        places.setdefault(message_id, set()).add(team)
    return places


def _open(connection: Connection, letters: list[int], reference_bits: int) -> tuple[int, str]:
    """Make the conversation; its id is that of its first letter, or the next one that is nothing's."""
    new_id = letters[0]
    while _is_taken(connection, conversations.c.id, new_id) or (
        new_id != letters[0] and _is_taken(connection, messages.c.id, new_id)
    ):
        new_id += 1
    number = reference_bits
    while _is_taken(connection, conversations.c.reference, format_reference(number)):
        number = (number + 1) % (1 << REFERENCE_BITS)
    subject = connection.scalar(select(summaries.c.subject).where(summaries.c.message_id == letters[0])) or ""
    reference = format_reference(number)
    connection.execute(insert(conversations).values(id=new_id, reference=reference, subject=subject))
    return new_id, reference


def _is_taken(connection: Connection, column: Any, value: object) -> bool:
    return connection.scalar(select(column).where(column == value)) is not None


def _move(connection: Connection, letters: list[int], old_id: int, new_id: int) -> None:
    """Move letters, with the notes under them and the drafts that answer them."""
    going = _notes_under(connection, old_id, letters)  # asked first: they stand under letters of the old one
    move_letters(connection, letters, new_id)
    move_notes(connection, going, new_id)
    about = (drafts.c.conversation_id == old_id, drafts.c.answers_id.in_(letters))
    connection.execute(update(drafts).where(*about).values(conversation_id=new_id))


def _notes_under(connection: Connection, conversation_id: int, letters: Collection[int]) -> list[int]:
    """Return the notes that stand under one of these letters, as the page shows them to the note's team."""
    came = connection.execute(
        select(filings.c.team, messages.c.id, messages.c.received_ms)
        .join(messages, messages.c.id == filings.c.message_id)
        .where(filings.c.conversation_id == conversation_id)
        .order_by(messages.c.id)
    ).all()
    found = []
    for note in connection.execute(select(notes).where(notes.c.conversation_id == conversation_id)):
        before = [row.id for row in came if row.team == note.team and row.received_ms <= note.at_ms]
        if before and before[-1] in letters:
            found.append(note.id)
    return found


def _copy_readings(connection: Connection, old_id: int, new_id: int) -> None:
    """Who has read so far in the one has read so far in the other."""
    connection.execute(
        insert(seen).from_select(
            ["user_id", "conversation_id", "newest_id"],
            select(seen.c.user_id, literal(new_id), seen.c.newest_id).where(seen.c.conversation_id == old_id),
        )
    )


def join_again(connection: Connection, asked: Undo, image: Image) -> Undone:
    """Take a split back, where both halves are still there, within a unit of work."""
    old_id, new_id = image["from"], image["into"]
    live = select(conversations.c.id).where(conversations.c.id.in_((old_id, new_id)))
    both = set(connection.scalars(live.where(conversations.c.merged_into.is_(None))))
    if both != {old_id, new_id} or not all(letters_of(connection, number) for number in both):
        return Undone(left=1)
    now = {"from": entry_images(connection, old_id), "into": entry_images(connection, new_id)}
    copied = (handed.c.id.in_(image["handed"]), handed.c.conversation_id == new_id, handed.c.ended_ms.is_(None))
    connection.execute(delete(handed).where(*copied))
    letters = move(connection, new_id, old_id)
    for team, was in image["was"].items():
        halves = [half for half in ("from", "into") if team in image["now"][half]]
        if all(is_untouched(now[half].get(team), image["now"][half][team]) for half in halves):
            top = max(now[half][team]["revision"] for half in halves)
            put_entry(connection, old_id, team, was, top)
    revisions = {(old_id, team): revision for team, revision in settle(connection, old_id, {}).items()}
    return note_undone(connection, asked, image, letters, revisions)
