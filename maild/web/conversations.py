"""A conversation: its letters, and what the people of a team do with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.responses import Response

from maild.archive import queries
from maild.archive.accounts import User
from maild.archive.between_teams import also_in
from maild.archive.drafts import Writing, being_written
from maild.archive.entries import Look, Reading, has_read, mark_seen, note_readings
from maild.archive.handling import known_tags
from maild.archive.lists import FILTERS
from maild.archive.named import named_in
from maild.mail.ids import parse_id, parse_reference
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.web.after_sending import fates
from maild.web.asked import conversation_asked
from maild.web.between_teams import stories
from maild.web.colleagues import assignable
from maild.web.desk import editor, there_now
from maild.web.events import note_page
from maild.web.handbook import models_of
from maild.web.handling import tomorrow
from maild.web.holding import duty_lines
from maild.web.noting import mentionable, notes_between, notice
from maild.web.opening import Opened, image_consent, open_letter
from maild.web.originals import answered
from maild.web.senders import forged_among, is_from_outside
from maild.web.shell import Place, Shell, place_from, shell, team_name
from maild.web.undoing import undo_offered
from maild.web.visit import Visit

_EAGER = 3  # letters opened at once, the newest; older ones when they are unfolded
_EAGER_BYTES = 2_000_000
_MAX_ASKED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    shell: Shell
    colleagues: dict[str, list[User]]
    tags: dict[str, tuple[str, ...]]
    forged: frozenset[int]
    named: tuple[queries.Related, ...]


async def conversation(visit: Visit) -> Response:
    """Show a conversation, the newest letter open."""
    await visit.read(note_page, visit)
    talk = await conversation_asked(visit)
    if visit.is_own_navigation:
        await _mark_seen(visit, talk)
    found = await visit.read(_around, visit, talk)
    opened = await _open(visit, talk)
    return visit.page(
        "conversation.html",
        shell=found.shell,
        conversation=talk,
        place=found.shell.listing.place if found.shell.listing is not None else None,
        opened=opened,
        newest_id=talk.messages[-1].id,
        entries=[(entry, team_name(visit, entry.team)) for entry in talk.entries],
        may_respond={e.team for e in talk.entries if visit.may_with(Permission.RESPOND, e)},
        may_write=[(e.team, team_name(visit, e.team)) for e in talk.entries if visit.may_with(Permission.DRAFT, e)],
        answer_to=answered(talk, None).id,
        notes={} if visit.is_live else await notes_between(visit, talk),
        fates={} if visit.is_live else await fates(visit, talk.messages),
        drafts=() if visit.is_live else await _drafts(visit, talk),
        said=visit.request.query_params.get("said", ""),
        models=await models_of(visit, talk.id),
        may_assign={e.team for e in talk.entries if visit.may(Permission.ASSIGN, e.team)},
        colleagues=found.colleagues,
        forged=found.forged,
        named=found.named,
        tags_known=found.tags,
        tomorrow=tomorrow(visit),
        stories=await stories(visit, talk, opened.values()),
        undo=await undo_offered(visit),
        parted_from=parse_reference(visit.request.query_params.get("from", "")),
        there=there_now(visit, talk),
        mentionable=[] if visit.is_live else await mentionable(visit, talk),
        consent={number: image_consent(visit, number) for number in opened},
        duty_lines=await duty_lines(visit, talk.messages),
        duty_team=partial(team_name, visit),
        asked=(asked := visit.request.query_params.getlist("open")[:_MAX_ASKED]),
        older_open=bool(asked),
        here_url=_here_url(visit, talk.reference),
    )


async def _drafts(visit: Visit, talk: queries.Conversation) -> tuple[Writing, ...]:
    by = await editor(visit)
    return await visit.read(being_written, visible=visit.visible, by=by, conversation_id=talk.id)


def _around(connection: Connection, visit: Visit, talk: queries.Conversation) -> _Around:
    rules = visit.services.rulebook.current
    around = shell(connection, visit, _place(visit, talk, visit.visible))
    teams = {e.team for e in talk.entries}
    came = [(message.id, message.from_mail) for message in talk.messages if is_from_outside(message)]
    return _Around(
        shell=around,
        colleagues={
            team: assignable(connection, rules, team, visit.now_ms)
            for team in teams
            if visit.may(Permission.ASSIGN, team)
        },
        tags={team: known_tags(connection, {team}) for team in teams if visit.may(Permission.RESPOND, team)},
        forged=forged_among(connection, came, rules.domains),
        named=named_in(connection, visible=visit.visible, talk=talk),
    )


def _place(visit: Visit, talk: queries.Conversation, visible: Visible) -> Place | None:
    """Return the list that stands beside: the one in the address, else the one where the conversation lies."""
    query = visit.request.query_params
    if query.get("team") in visible.inboxes:
        return place_from(query, query["team"])
    if not talk.entries:
        return None
    entry = talk.entries[0]
    return Place(team=entry.team, state=entry.state if entry.state in FILTERS else "open")


async def _open(visit: Visit, talk: queries.Conversation) -> dict[int, Opened]:
    # To whom a letter was written is told only where other teams have it, too (`stories`).
    if visit.is_live and not await visit.read(also_in, visible=visit.visible, conversation_id=talk.id):
        return {}
    asked = {parse_id(text) for text in visit.request.query_params.getlist("open")[:_MAX_ASKED]}
    newest = talk.messages[-1]
    recent = {m.id for m in talk.messages[-_EAGER:] if m.size <= _EAGER_BYTES} | {newest.id}
    wanted = [m for m in talk.messages if m.id in recent or m.id in asked]
    opened = await asyncio.gather(*(open_letter(visit, m) for m in wanted))
    return {letter.message.id: letter for letter in opened}


async def _mark_seen(visit: Visit, talk: queries.Conversation) -> None:
    await notice(visit, talk)
    if talk.entries:
        reading = Reading(
            user_id=visit.person.user_id,
            conversation_id=talk.id,
            newest_id=max(entry.newest_id for entry in talk.entries),
        )
        if not await visit.read(has_read, reading):
            await visit.write(note_readings, reading)
    unseen = frozenset(entry.team for entry in talk.entries if entry.unseen)
    if unseen:
        newest = max(entry.newest_id for entry in talk.entries)
        look = Look(conversation_id=talk.id, teams=unseen, newest_id=newest, at_ms=visit.now_ms)
        if await visit.write(mark_seen, look):
            visit.services.feed.publish(unseen)


def _here_url(visit: Visit, reference: str) -> str:
    """Return the address of this page to which `open=ID` can be added."""
    query = [(name, value) for name, value in visit.request.query_params.multi_items() if name != "open"]
    return f"/c/{reference}?" + (urlencode(query) + "&" if query else "")
