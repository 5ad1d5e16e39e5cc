"""A conversation: its letters, and what the people of a team do with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive import queries
from maild.archive.accounts import User, people_granted
from maild.archive.drafts import being_written
from maild.archive.entries import STATES, Assignment, Look, StateChange, assign, mark_seen, set_states
from maild.archive.lessons import Taught
from maild.archive.lists import FILTERS
from maild.errors import ForbiddenError
from maild.mail.acts import Act
from maild.mail.ids import parse_id
from maild.mail.inbox import is_confidential, team_of
from maild.policy.roles import PERMISSIONS, Permission, Role
from maild.policy.visible import Visible
from maild.rules.model import Ruleset
from maild.web.after_sending import fates
from maild.web.asked import conversation_asked, entry_asked
from maild.web.desk import editor
from maild.web.handbook import models_of
from maild.web.holding import duty_lines
from maild.web.noting import notes_between
from maild.web.opening import Opened, image_consent, open_letter
from maild.web.originals import answered
from maild.web.senders import forged_among, is_from_outside
from maild.web.shell import Place, Shell, place_from, shell, team_name
from maild.web.visit import Visit

_EAGER = 3  # letters opened at once, the newest; older ones when they are unfolded
_EAGER_BYTES = 2_000_000
_MAX_ASKED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    shell: Shell
    colleagues: tuple[User, ...]
    forged: frozenset[int]


async def conversation(visit: Visit) -> Response:
    """Show a conversation, the newest letter open."""
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
        may_respond={e.team for e in talk.entries if visit.may(Permission.RESPOND, e.team)},
        may_write=[(e.team, team_name(visit, e.team)) for e in talk.entries if visit.may(Permission.DRAFT, e.team)],
        answer_to=answered(talk, None).id,
        notes=await notes_between(visit, talk),
        fates=await fates(visit, talk.messages),
        drafts=await visit.read(being_written, visible=visit.visible, by=editor(visit), conversation_id=talk.id),
        said=visit.request.query_params.get("said", ""),
        models=await models_of(visit, talk.id),
        may_assign={e.team for e in talk.entries if visit.may(Permission.ASSIGN, e.team)},
        colleagues=found.colleagues,
        forged=found.forged,
        states=STATES,
        consent={number: image_consent(visit, number) for number in opened},
        duty_lines=await duty_lines(visit, talk.messages),
        duty_team=partial(team_name, visit),
        asked=(asked := visit.request.query_params.getlist("open")[:_MAX_ASKED]),
        older_open=bool(asked),
        here_url=_here_url(visit, talk.reference),
    )


def _around(connection: Connection, visit: Visit, talk: queries.Conversation) -> _Around:
    rules = visit.services.rulebook.current
    around = shell(connection, visit, _place(visit, talk, visit.visible))
    teams = {e.team for e in talk.entries if visit.may(Permission.ASSIGN, e.team)}
    came = [(message.id, message.from_mail) for message in talk.messages if is_from_outside(message)]
    return _Around(
        shell=around,
        colleagues=tuple(_colleagues(connection, rules, teams, visit.now_ms)) if teams else (),
        forged=forged_among(connection, came, rules.domains),
    )


def _place(visit: Visit, talk: queries.Conversation, visible: Visible) -> Place | None:
    """Return the list that stands beside: the one in the address, else the one where the conversation lies."""
    query = visit.request.query_params
    if query.get("team") in visible.teams:
        return place_from(query, query["team"])
    if not talk.entries:
        return None
    entry = talk.entries[0]
    return Place(team=entry.team, state=entry.state if entry.state in FILTERS else "open")


def _colleagues(connection: Connection, rules: Ruleset, teams: set[str], now_ms: int) -> list[User]:
    found: dict[int, User] = {}
    for inbox in teams:
        team = team_of(inbox)
        asked = Permission.MANAGE if is_confidential(inbox) else Permission.RESPOND
        for held_in, permission in (({team, *rules.ancestors(team)}, asked), ({inbox}, Permission.RESPOND)):
            roles = {role for role in Role if permission in PERMISSIONS[role]}
            found |= {user.id: user for user in people_granted(connection, held_in, roles, now_ms)}
    return sorted(found.values(), key=lambda user: (user.name, user.id))


async def _open(visit: Visit, talk: queries.Conversation) -> dict[int, Opened]:
    asked = {parse_id(text) for text in visit.request.query_params.getlist("open")[:_MAX_ASKED]}
    newest = talk.messages[-1]
    recent = {m.id for m in talk.messages[-_EAGER:] if m.size <= _EAGER_BYTES} | {newest.id}
    wanted = [m for m in talk.messages if m.id in recent or m.id in asked]
    opened = await asyncio.gather(*(open_letter(visit, m) for m in wanted))
    return {letter.message.id: letter for letter in opened}


async def _mark_seen(visit: Visit, talk: queries.Conversation) -> None:
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


async def set_state(visit: Visit) -> Response:
    """Set the state of an entry."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    state = visit.form.get("state", "")
    if state not in STATES:
        raise HTTPException(400)
    taught = Taught(visit.person.login, visit.now_ms) if visit.services.learns else None
    is_lesson = taught is not None and (state == "spam") is not (entry.state == "spam")
    done = visit.acted(
        Act.STATE, team=entry.team, conversation_id=talk.id, was=entry.state, state=state,
        lesson=is_lesson,
    )  # fmt: skip
    change = StateChange(conversation_id=talk.id, team=entry.team, state=state, taught=taught)
    await visit.write(set_states, change, done)
    return _done(visit, talk, entry)


async def set_assignee(visit: Visit) -> Response:
    """Take an entry, give it to a colleague, or to nobody."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    login = visit.form.get("assignee", "")
    if login in {"", visit.person.login}:
        assignee = visit.person.user_id if login else None
    else:
        assignee = await _colleague(visit, entry.team, login)
    done = visit.acted(
        Act.ASSIGNED, team=entry.team, conversation_id=talk.id, about=login, was=entry.assignee_name or ""
    )
    await visit.write(assign, Assignment(conversation_id=talk.id, team=entry.team, assignee=assignee), done)
    return _done(visit, talk, entry)


async def _colleague(visit: Visit, team: str, login: str) -> int:
    if not visit.may(Permission.ASSIGN, team):
        raise ForbiddenError("assigning to others is for coordinators")
    rules = visit.services.rulebook.current
    people = await visit.read(_colleagues, rules, {team}, visit.now_ms)
    found = next((person.id for person in people if person.login == login), None)
    if found is None:
        raise HTTPException(400)
    return found


def _done(visit: Visit, talk: queries.Conversation, entry: queries.Entry) -> Response:
    visit.services.feed.publish(frozenset({entry.team}))
    place = visit.form.get("place", "open")
    return visit.go(
        Place(team=entry.team, state=place if place in FILTERS else "open").conversation_url(talk.reference)
    )
