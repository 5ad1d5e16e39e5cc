"""What staff do to an entry: its state and the day on which it comes back, who sees to it, its marks.

Each form carries the revision that its page showed. Where a colleague was quicker, nothing is overwritten: the page
says who did what, and asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive import queries
from maild.archive.accounts import User
from maild.archive.entries import STATES
from maild.archive.handling import NOBODY, Handling, Work, Worked, handle, since
from maild.archive.lessons import Taught
from maild.archive.lists import FILTERS
from maild.archive.standing import Need, Reach
from maild.errors import ForbiddenError
from maild.mail.ids import parse_id
from maild.mail.local_time import day_start_ms
from maild.policy.roles import Permission
from maild.web.asked import entry_asked
from maild.web.colleagues import assignable
from maild.web.handling_words import line
from maild.web.shell import Place, shell_of, team_name
from maild.web.visit import Visit

_MAX_TAG = 40  # characters
_MOST_DAYS = 730
_AGAIN = ("state", "until", "assignee", "tag", "untag", "priority", "place", "before", "team")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a form asks to be done to each of its entries."""

    state: str | None = None
    returns_ms: int | None = None
    assignee: int | None = None
    priority: int | None = None
    add_tags: frozenset[str] = frozenset()
    remove_tags: frozenset[str] = frozenset()

    def to(self, visit: Visit, conversation_id: int, team: str, shown: int | None) -> Handling:
        """Return it as it is asked of one entry."""
        teaches = self.state is not None and visit.services.learns
        return Handling(
            conversation_id=conversation_id, team=team, shown=shown, state=self.state, returns_ms=self.returns_ms,
            assignee=self.assignee, priority=self.priority, add_tags=self.add_tags, remove_tags=self.remove_tags,
            taught=Taught(visit.person.login, visit.now_ms) if teaches else None,
        )  # fmt: skip


async def set_state(visit: Visit) -> Response:
    """Set the state of an entry."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    return await _carry_out(visit, talk, entry, state_asked(visit))


async def set_assignee(visit: Visit) -> Response:
    """Take an entry, give it to a colleague, or to nobody."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    return await _carry_out(visit, talk, entry, await assignee_asked(visit, entry.team))


async def set_marks(visit: Visit) -> Response:
    """Set the priority of an entry, put a tag on it or take one off."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    return await _carry_out(visit, talk, entry, marks_asked(visit))


# --- what a form asks -----------------------------------------------------------------------------------------


def state_asked(visit: Visit, state: str | None = None) -> Asked:
    """Read a state, and for what is to wait the day on which it comes back."""
    state = visit.form.get("state", "") if state is None else state
    if state not in STATES:
        raise HTTPException(400)
    until = visit.form.get("until", "").strip()
    return Asked(state=state, returns_ms=_day_ms(visit, until) if until and state == "waiting" else None)


def _day_ms(visit: Visit, text: str) -> int:
    """Return the beginning of a day of the place; HTTPException 400 for one that is over, or far away."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400) from None
    if not visit.today < day <= visit.today + timedelta(days=_MOST_DAYS):
        raise HTTPException(400)
    return day_start_ms(day, visit.zone)


def tomorrow(visit: Visit) -> str:
    """Return the first day until which something can wait."""
    return (visit.today + timedelta(days=1)).isoformat()


async def assignee_asked(visit: Visit, team: str) -> Asked:
    """Read who is to see to it; oneself, or as a coordinator any colleague who may respond there."""
    login = visit.form.get("assignee", "")
    if login == visit.person.login:
        return Asked(assignee=visit.person.user_id)
    if not login:
        return Asked(assignee=NOBODY)
    if not visit.may(Permission.ASSIGN, team):
        raise ForbiddenError("assigning to others is for coordinators")
    people: list[User] = await visit.read(assignable, visit.services.rulebook.current, team, visit.now_ms)
    found = next((person.id for person in people if person.login == login), None)
    if found is None:
        raise HTTPException(400)
    return Asked(assignee=found)


def marks_asked(visit: Visit) -> Asked:
    """Read a tag to put on or to take off, or a priority."""
    if untag := visit.form.get("untag", ""):
        return Asked(remove_tags=frozenset({untag}))
    if visit.form.get("priority") in {"0", "1", "2"}:
        return Asked(priority=int(visit.form["priority"]))
    tag = " ".join(visit.form.get("tag", "").split())
    if not tag or len(tag) > _MAX_TAG or not tag.isprintable():
        raise HTTPException(400)
    return Asked(add_tags=frozenset({tag}))


# --- doing it -------------------------------------------------------------------------------------------------


async def _carry_out(visit: Visit, talk: queries.Conversation, entry: queries.Entry, asked: Asked) -> Response:
    shown = visit.number("shown")
    work = Work(
        by=visit.person.login, at_ms=visit.services.now_ms(), handlings=(asked.to(visit, talk.id, entry.team, shown),)
    )
    needs = needs_of(visit, entry.team, asked)
    worked: Worked = await visit.write(handle, work, needs=needs, of=(), narrowed=whose_it_is)
    if worked.overtaken:
        return await overtaken(visit, talk, entry, shown or 0)
    visit.services.feed.publish(frozenset({entry.team}))
    if worked.gone or (asked.assignee not in {None, visit.person.user_id} and entry.team in visit.visible.assigned):
        return visit.go(f"{_place(visit, entry.team).url}?said=given-away")  # who helps sees it no more
    return visit.go(back_to(visit, entry.team, talk.reference, undo_id=worked.undo_id))


def needs_of(visit: Visit, team: str, asked: Asked) -> tuple[Need, ...]:
    """Return what must still be held when it is carried out."""
    assigns = asked.assignee not in {None, NOBODY, visit.person.user_id}
    return ((Permission.RESPOND, team), *([(Permission.ASSIGN, team)] if assigns else []))


def whose_it_is(work: Work, reach: Reach) -> Work:
    """Fit an act on entries to who helps: what is no longer theirs is not there."""
    handlings = tuple(
        each if reach.may(Permission.RESPOND, each.team) else replace(each, held_by=reach.who.user_id)
        for each in work.handlings
    )
    return replace(work, handlings=handlings)


def back_to(visit: Visit, team: str, reference: str, *, undo_id: int | None = None) -> str:
    """Return the address of the conversation, beside the list at the place where it was."""
    return _place(visit, team).conversation_url(reference) + (f"&undo={undo_id}" if undo_id is not None else "")


def _place(visit: Visit, team: str) -> Place:
    state = visit.form.get("place", "open")
    return Place(team=team, state=state if state in FILTERS else "open", before=parse_id(visit.form.get("before", "")))


async def overtaken(visit: Visit, talk: queries.Conversation, entry: queries.Entry, shown: int) -> Response:
    """Say who did what meanwhile, and ask."""
    found = await visit.read(queries.conversation, visible=visit.visible, reference=talk.reference)
    now: Any = next((each for each in found.entries if each.team == entry.team), entry)
    told = await visit.read(since, conversation_id=talk.id, team=entry.team, revision=shown)
    return visit.page(
        "overtaken.html",
        status=409,
        shell=await shell_of(visit),
        conversation=found,
        entry=now,
        team=team_name(visit, entry.team),
        told=[(line(each, visit.language, visit.zone), each.at_ms)
              for each in told],
        again=[(name, visit.form[name]) for name in _AGAIN if name in visit.form],
        back=back_to(visit, entry.team, talk.reference),
    )  # fmt: skip
