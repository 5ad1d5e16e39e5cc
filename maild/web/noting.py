"""Internal notes on a conversation."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from maild.archive import queries
from maild.archive.notes import NewNote, Note, add_notes, notes_of
from maild.mail.acts import Act
from maild.policy.roles import Permission
from maild.web.asked import entry_asked
from maild.web.visit import Visit

_MAX_CHARACTERS = 20_000


async def add_note(visit: Visit) -> Response:
    """Write a note."""
    talk, entry = await entry_asked(visit, Permission.DRAFT)
    text = visit.form.get("note", "").replace("\r\n", "\n").replace("\x00", " ").strip()[:_MAX_CHARACTERS]
    if text:
        note = NewNote(
            conversation_id=talk.id,
            team=entry.team,
            author=visit.person.login,
            at_ms=visit.services.now_ms(),
            text=text,
        )
        await visit.write(add_notes, note, visit.acted(Act.NOTED, team=entry.team, conversation_id=talk.id))
        visit.services.feed.publish(frozenset({entry.team}))
    return visit.go(f"/c/{talk.reference}#notes-end" if text else f"/c/{talk.reference}")


async def notes_between(visit: Visit, talk: queries.Conversation) -> dict[int, list[Note]]:
    """Return the notes of a conversation by the letter after which they were written."""
    found = await visit.read(notes_of, visible=visit.visible, conversation_id=talk.id)
    return _placed(found, talk.messages)


def _placed(notes: Iterable[Note], messages: tuple[queries.Message, ...]) -> dict[int, list[Note]]:
    placed: dict[int, list[Note]] = {}
    for note in notes:
        before = [m.id for m in messages if m.received_ms <= note.at_ms]
        placed.setdefault(before[-1] if before else messages[0].id, []).append(note)
    return placed
