"""Internal notes on a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive import queries
from maild.archive.accounts import User
from maild.archive.notes import NewNote, Note, Noticed, add_notes, mentions_in, notes_of, notice_mentions
from maild.policy.roles import Permission
from maild.rules.model import Ruleset
from maild.web.asked import entry_asked
from maild.web.colleagues import colleagues, helpers
from maild.web.visit import Visit

_MAX_CHARACTERS = 20_000
_MENTION = re.compile(r"(?<![\w@.])@([\w.@+-]{1,64})")


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
            mentioned=await _mentioned(visit, entry, text),
        )
        await visit.write(add_notes, note, needs=((Permission.DRAFT, entry.team),), of=(talk.id,))
        visit.services.feed.publish(frozenset({entry.team}))
    return visit.go(f"/c/{talk.reference}#notes-end" if text else f"/c/{talk.reference}")


async def _mentioned(visit: Visit, entry: queries.Entry, text: str) -> frozenset[int]:
    """Return whom a note names as `@login`, or in the field beside it: of those who may read it, and nobody else."""
    named = {each.casefold().rstrip(".-") for each in _MENTION.findall(text)} | {
        visit.form.get("mention", "").casefold()
    }
    if named == {""}:
        return frozenset()
    people = await visit.read(_readers, visit.services.rulebook.current, entry, visit.now_ms)
    return frozenset(each.id for each in people if each.login in named)


def _readers(connection: Connection, rules: Ruleset, entry: queries.Entry, now_ms: int) -> list[User]:
    """Return who may read an entry: those who read the inbox, and a helper whose it is."""
    found = colleagues(connection, rules, entry.team, now_ms, Permission.READ)
    helping = helpers(connection, rules, entry.team, now_ms, Permission.READ)
    known = {each.id for each in found}
    return found + [each for each in helping if each.id == entry.assignee and each.id not in known]


async def mentionable(visit: Visit, talk: queries.Conversation) -> list[User]:
    """Return whom a note can name: who may read in one of the inboxes in which the visitor may write one."""
    rules, found = visit.services.rulebook.current, dict[int, User]()
    for entry in talk.entries:
        if visit.may_with(Permission.DRAFT, entry):
            people = await visit.read(_readers, rules, entry, visit.now_ms)
            found |= {each.id: each for each in people if each.id != visit.person.user_id}
    return sorted(found.values(), key=lambda user: (user.name or user.login, user.id))


async def notice(visit: Visit, talk: queries.Conversation) -> None:
    """Note that the visitor has looked at what mentions them here."""
    if await visit.read(mentions_in, visit.person.user_id, talk.id):
        teams = frozenset(entry.team for entry in talk.entries)
        await visit.write(
            notice_mentions,
            Noticed(user_id=visit.person.user_id, conversation_id=talk.id, teams=teams, at_ms=visit.now_ms),
        )


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
