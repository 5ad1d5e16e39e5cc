"""One act on several conversations of a list, in one transaction.

What colleagues have changed since the page was shown stays as it is, and the list says who did what.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import User
from maild.archive.between_teams import Handed, Handing, hand_all
from maild.archive.handling import Work, Worked, handle, known_tags, since
from maild.archive.lists import PAGE_SIZE, listed
from maild.errors import ForbiddenError
from maild.mail.ids import parse_id, parse_reference
from maild.policy.roles import Permission
from maild.web.between_teams import receivers
from maild.web.colleagues import assignable
from maild.web.forms import whole_number
from maild.web.handling import Asked, assignee_asked, marks_asked, needs_of, state_asked, tomorrow, whose_it_is
from maild.web.handling_words import line
from maild.web.shell import Place, place_from
from maild.web.visit import Visit

_PICK = "pick-"
_MOST_LEFT = 5
_Picked = dict[str, tuple[int, int]]  # by reference: id, and the revision that the page showed


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What the list offers to be done with a selection."""

    colleagues: tuple[User, ...]
    tags: tuple[str, ...]
    receivers: tuple[tuple[str, str], ...]
    tomorrow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A conversation that was left as it is because of what colleagues did."""

    reference: str
    subject: str
    told: tuple[tuple[str, int], ...]


async def offered(visit: Visit, team: str) -> Offered | None:
    """Return what can be done with a selection of a team's list; None: nothing by this visitor."""
    if not _may_act(visit, team):
        return None
    if visit.is_live:  # what is picked from is on the open page
        return Offered(colleagues=(), tags=(), receivers=(), tomorrow=tomorrow(visit))
    rules, assigns = visit.services.rulebook.current, visit.may(Permission.ASSIGN, team)
    people = await visit.read(assignable, rules, team, visit.now_ms) if assigns else []
    places = await receivers(visit, team) if assigns else []
    return Offered(
        colleagues=tuple(people),
        tags=() if team in visit.visible.assigned else await visit.read(known_tags, {team}),
        receivers=tuple((place, rules.teams[place].name) for place in places),
        tomorrow=tomorrow(visit),
    )


def _may_act(visit: Visit, team: str) -> bool:
    """Tell whether the visitor may act on all that they see in a list: who helps sees what is theirs."""
    return visit.may(Permission.RESPOND, team) or team in visit.helps(Permission.RESPOND)


async def act_on_selection(visit: Visit) -> Response:
    """Do to the selected conversations what the button says."""
    team = visit.request.path_params["team"]
    place = place_from({"state": visit.form.get("place", "open")}, team)
    place = Place(team=team, state=place.state, before=parse_id(visit.form.get("before", "")))
    picked = await _picked(visit, team)
    if not _may_act(visit, team):
        raise ForbiddenError("readers change nothing")
    if not picked:
        return visit.go(place.url)
    do = _do(visit)
    if not do:
        return visit.go(place.url)
    if do == "hand":
        return await _hand(visit, place, picked)
    asked = await _asked(visit, team, do)
    handlings = tuple(asked.to(visit, number, team, revision) for number, revision in picked.values())
    work = Work(by=visit.person.login, at_ms=visit.services.now_ms(), handlings=handlings)
    needs = needs_of(visit, team, asked)
    worked: Worked = await visit.write(handle, work, needs=needs, of=(), narrowed=whose_it_is)
    visit.services.feed.publish(frozenset({team}))
    left = {number for number, _ in worked.overtaken}
    query = {"undo": worked.undo_id} if worked.undo_id is not None else {}
    return visit.go(_with(place, {**query, **_left_query(picked, left)}))


async def _picked(visit: Visit, team: str) -> _Picked:
    shown = {}
    for name, value in visit.form.items():
        reference = parse_reference(name.removeprefix(_PICK)) if name.startswith(_PICK) else None
        if reference is not None and (revision := whole_number(value)) is not None:
            shown[reference] = revision
    there = await visit.read(listed, visible=visit.visible, team=team, references=list(shown)[:PAGE_SIZE])
    return {reference: (number, shown[reference]) for reference, (number, _) in there.items()}


def _do(visit: Visit) -> str:
    """Return what is to be done: what the button says, and for Enter in a field what that field is for."""
    do = visit.form.get("do", "")
    if do != "typed":
        return do or "nothing"
    fields = (("tag", "tag"), ("until", "wait"), ("reason", "hand"))
    return next((act for name, act in fields if visit.form.get(name, "").strip()), "")


async def _asked(visit: Visit, team: str, do: str) -> Asked:
    match do:
        case "take":
            return Asked(assignee=visit.person.user_id)
        case "assign":
            return await assignee_asked(visit, team)
        case "wait":
            return state_asked(visit, "waiting")
        case "tag" | "priority-2" | "priority-1" | "priority-0":
            return marks_asked(visit) if do == "tag" else Asked(priority=int(do[-1]))
        case "open" | "closed" | "waiting" | "spam" as state:
            return Asked(state=state)
        case _:
            raise HTTPException(400)


async def _hand(visit: Visit, place: Place, picked: _Picked) -> Response:
    if not visit.may(Permission.ASSIGN, place.team):
        raise ForbiddenError("handing over is for coordinators")
    to_team, reason = visit.form.get("to", ""), " ".join(visit.form.get("reason", "").split())[:5_000]
    if to_team not in await receivers(visit, place.team) or not reason:
        raise HTTPException(400)
    handings = tuple(
        Handing(
            conversation_id=number, team=place.team, to_team=to_team, way="over", by=visit.person.login,
            at_ms=visit.services.now_ms(), shown=revision, reason=reason,
        )
        for number, revision in picked.values()
    )  # fmt: skip
    done: tuple[Handed, ...] = await visit.write(hand_all, handings, needs=((Permission.ASSIGN, place.team),))
    inboxes = {each.inbox for each in done if each.inbox is not None}
    visit.services.feed.publish(frozenset({place.team, *inboxes}))
    left = {h.conversation_id for h, each in zip(handings, done, strict=True) if each.inbox is None}
    return visit.go(_with(place, {"said": "handed-over", **_left_query(picked, left)}))


def _left_query(picked: _Picked, left: set[int]) -> dict[str, str]:
    names = [f"{reference}.{revision}" for reference, (number, revision) in picked.items() if number in left]
    return {"left": ",".join(names[:_MOST_LEFT])} if names else {}


def _with(place: Place, query: dict[str, object]) -> str:
    return place.url + (("&" if "?" in place.url else "?") + urlencode(query) if query else "")


async def left_as_they_are(visit: Visit, team: str) -> list[Left]:
    """Return what the address names of a selection that colleagues had changed meanwhile, and who did what."""
    shown = {}
    for each in visit.request.query_params.get("left", "").split(",")[:_MOST_LEFT]:
        name, _, text = each.partition(".")
        reference = parse_reference(name)
        if reference is not None and (revision := whole_number(text)) is not None:
            shown[reference] = revision
    if not shown:
        return []
    there = await visit.read(listed, visible=visit.visible, team=team, references=list(shown))
    found = []
    for reference, (number, subject) in there.items():
        told = await visit.read(since, conversation_id=number, team=team, revision=shown[reference])
        lines = tuple((line(each, visit.language, visit.zone), each.at_ms) for each in told)
        found.append(Left(reference=reference, subject=subject, told=lines))
    return found
