"""Handing a conversation over to another team, giving it back, fetching it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive import queries
from maild.archive.account_mail import led_only
from maild.archive.accounts import open_grants
from maild.archive.between_teams import Handed, Handing, ToAndFro, Way, also_in, hand, to_and_fro, ways_of
from maild.archive.readers import unread_inboxes
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.address import as_path
from maild.mail.inbox import confidential, is_confidential, team_of
from maild.policy.roles import Permission
from maild.rules.model import Ruleset
from maild.web.asked import conversation_asked, entry_asked, may_in
from maild.web.handling import back_to, overtaken
from maild.web.opening import Opened
from maild.web.shell import Place, place_from, shell_of, team_name
from maild.web.visit import Visit

_MAX_REASON = 5_000
_MOST_NAMED = 100
_Targets = tuple[list[str], list[str]]  # back to, over to


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is to be said at an entry of where the conversation went. Names of teams, as people know them.

    `led`: only the team's leads see it because of what it looks like; `opened_ms`: since when the team does, too.
    """

    came: tuple[tuple[str, int], ...] = ()
    gone: tuple[tuple[str, int], ...] = ()
    also: tuple[str, ...] = ()
    may_hand: bool = False
    may_fetch: bool = False
    led: bool = False
    may_open: bool = False
    opened_ms: int | None = None


async def stories(visit: Visit, talk: queries.Conversation, opened: Iterable[Opened]) -> dict[str, Story]:
    """Return by inbox where the conversation went from it and came from to it, and which other teams have it.

    Security: of other teams those are named whose address a letter shows to everybody in To or Cc, and no others.
    """
    ways = await visit.read(ways_of, visible=visit.visible, conversation_id=talk.id)
    others = await visit.read(also_in, visible=visit.visible, conversation_id=talk.id)
    known = frozenset(team for way in ways for team in (way.from_team, way.to_team))
    also = tuple(sorted(team_name(visit, team) for team in others & _named(visit, opened) - known))
    inner = any(is_confidential(entry.team) for entry in talk.entries)
    led = await visit.read(led_only, visible=visit.visible, conversation_id=talk.id) if inner else frozenset()
    return {entry.team: _story(visit, entry, ways, also, is_led=entry.team in led) for entry in talk.entries}


def _named(visit: Visit, opened: Iterable[Opened]) -> frozenset[str]:
    """Return the teams of the listed addresses that letters name in To or Cc."""
    rules = visit.services.rulebook.current
    people = (each for letter in opened for each in (*letter.view.header.to, *letter.view.header.cc)[:_MOST_NAMED])
    addresses = (address for person in people if (address := as_path(person.mail)) is not None)
    functions = (function for address in addresses if (function := rules.find(address)) is not None)
    return frozenset(function.team for function in functions if function.listed)


def _story(visit: Visit, entry: queries.Entry, ways: tuple[Way, ...], also: tuple[str, ...], *, is_led: bool) -> Story:
    team = entry.team
    gone = tuple((team_name(visit, team_of(w.to_team)), w.at_ms) for w in ways if w.from_team == team and w.is_open)
    came = tuple((team_name(visit, team_of(w.from_team)), w.at_ms) for w in ways if w.to_team == team and w.is_open)
    opened_ms = next(
        (w.at_ms for w in ways if w.is_open and (w.from_team, w.to_team) == (confidential(team), team)), None
    )
    may_assign = visit.may(Permission.ASSIGN, team)
    # Security: what lies among confidential things there is that team's to give back.
    held_back = any(is_confidential(w.to_team) for w in ways if w.from_team == team and w.is_open)
    returns = visit.may_with(Permission.RESPOND, entry) and bool(came)
    return Story(
        came=() if opened_ms is not None else came,
        gone=gone,
        opened_ms=opened_ms,
        also=also,
        may_hand=not gone and (may_assign or returns),
        led=is_led and not gone,
        may_open=is_led and not gone and _may_open(visit, team),
        may_fetch=bool(gone) and may_assign and (is_confidential(team) or not held_back),
    )


def _may_open(visit: Visit, inbox: str) -> bool:
    """Tell whether the visitor decides for the team who reads what: named people read along, and no more."""
    return visit.may(Permission.ASSIGN, inbox) and visit.may(Permission.MANAGE, team_of(inbox))


async def hand_form(visit: Visit) -> Response:
    """Ask to whom, and why."""
    talk = await conversation_asked(visit)
    team = visit.request.query_params.get("team", "")
    entry = next((each for each in talk.entries if each.team == team), None)
    if entry is None:
        if team or not talk.entries:
            raise NotFoundError("no such entry")
        entry = talk.entries[0]
    targets = await _targets(visit, talk, entry.team)
    if not any(targets):
        raise ForbiddenError("handing over is for coordinators")
    return await _form(visit, talk, entry, targets)


async def _form(
    visit: Visit, talk: queries.Conversation, entry: queries.Entry, targets: _Targets, troubled: str = ""
) -> Response:
    back, over = targets
    rules = visit.services.rulebook.current
    below = [team for team in over if team_of(entry.team) in rules.ancestors(team)]
    query = visit.request.query_params if visit.request.method == "GET" else visit.form
    return visit.page(
        "between_teams.html",
        status=200 if not troubled else 400,
        shell=await shell_of(visit),
        conversation=talk,
        entry=entry,
        team=team_name(visit, entry.team),
        back=[(team, team_name(visit, team_of(team))) for team in back],
        below=[(team, rules.teams[team].name) for team in below],
        others=[(team, rules.teams[team].name) for team in over if team not in below],
        confidential=is_confidential(entry.team),
        place=place_from({"state": query.get("place", "open")}, entry.team),
        troubled=troubled,
        reason=visit.form.get("reason", ""),
        chosen=visit.form.get("to", ""),
    )


async def _targets(visit: Visit, talk: queries.Conversation, team: str) -> _Targets:
    """Return to which inboxes the conversation can go back, and to which teams the visitor may hand it over."""
    ways = await visit.read(ways_of, visible=visit.visible, conversation_id=talk.id)
    returns = [way.from_team for way in ways if way.to_team == team and way.is_open]
    back = list(dict.fromkeys(returns)) if may_in(visit, Permission.RESPOND, talk, team) else []
    if not visit.may(Permission.ASSIGN, team):
        return back, []
    return back, [other for other in await receivers(visit, team) if other not in set(map(team_of, back))]


async def receivers(visit: Visit, team: str) -> list[str]:
    """Return the teams that something of an inbox can be handed over to: somebody there can read it."""
    rules, inner = visit.services.rulebook.current, is_confidential(team)
    empty = await visit.read(_unread, rules, visit.now_ms)
    return [t for t in rules.teams if t != team_of(team) and (confidential(t) if inner else t) not in empty]


def _unread(connection: Connection, rules: Ruleset, now_ms: int) -> frozenset[str]:
    return unread_inboxes(open_grants(connection), rules, now_ms)


async def hand_over(visit: Visit) -> Response:
    """Hand a conversation over, back, or fetch it back."""
    talk, entry = await entry_asked(visit, Permission.RESPOND)
    if visit.form.get("do") == "open":
        return await _open_to_team(visit, talk, entry)
    way, to_team = await _asked(visit, talk, entry.team)
    reason = visit.form.get("reason", "").replace("\r\n", "\n").replace("\x00", " ").strip()[:_MAX_REASON]
    if not reason and way != "fetched":
        return await _form(visit, talk, entry, await _targets(visit, talk, entry.team), troubled="reason")
    handing = Handing(
        conversation_id=talk.id, team=entry.team, to_team=to_team, way=way, by=visit.person.login,
        at_ms=visit.services.now_ms(), shown=visit.number("shown"), reason=reason,
        keep="forget" not in visit.form,
    )  # fmt: skip
    needed = Permission.RESPOND if way == "back" else Permission.ASSIGN
    done: Handed = await visit.write(hand, handing, needs=((needed, entry.team),), of=(talk.id,))
    visit.services.feed.publish(frozenset({entry.team, to_team, done.inbox or to_team}))
    if way == "fetched":  # where it lies here already, there was nothing to fetch
        return visit.go(back_to(visit, entry.team, talk.reference))
    if done.inbox is None:
        return await overtaken(visit, talk, entry, handing.shown or 0)
    place = place_from({"state": visit.form.get("place", "open")}, entry.team)
    return visit.go(_said(place, way))


async def _open_to_team(visit: Visit, talk: queries.Conversation, entry: queries.Entry) -> Response:
    """Let the team see what only its leads were shown because of what it looked like."""
    if not is_confidential(entry.team) or not _may_open(visit, entry.team):
        raise ForbiddenError("opening is for managers")
    team = team_of(entry.team)
    handing = Handing(
        conversation_id=talk.id, team=entry.team, to_team=team, way="over", by=visit.person.login,
        at_ms=visit.services.now_ms(), shown=visit.number("shown"), opens=True,
    )  # fmt: skip
    needs = ((Permission.ASSIGN, entry.team), (Permission.MANAGE, team))
    done: Handed = await visit.write(hand, handing, needs=needs, of=(talk.id,))
    visit.services.feed.publish(frozenset({entry.team, team}))
    if done.inbox is None:
        return await overtaken(visit, talk, entry, handing.shown or 0)
    return visit.go(back_to(visit, entry.team, talk.reference))


def _said(place: Place, way: str) -> str:
    return place.url + ("&" if "?" in place.url else "?") + f"said=handed-{way}"


async def _asked(visit: Visit, talk: queries.Conversation, team: str) -> tuple[str, str]:
    """Return the way and the receiver; raises ForbiddenError, and HTTPException 400 for a team that is none."""
    if visit.form.get("do") == "fetch":
        if not visit.may(Permission.ASSIGN, team):
            raise ForbiddenError("fetching back is for coordinators")
        return "fetched", team
    back, over = await _targets(visit, talk, team)
    to_team = visit.form.get("to", "")
    if to_team in back:
        return "back", to_team
    if not visit.may(Permission.ASSIGN, team):
        raise ForbiddenError("handing over is for coordinators")
    if to_team not in over:
        raise HTTPException(400)
    return "over", to_team


async def tossed(visit: Visit) -> list[tuple[ToAndFro, list[str]]]:
    """Return what goes to and fro between the teams of a coordinator and others, with their names."""
    teams = frozenset(team for team in visit.visible.teams if visit.may(Permission.ASSIGN, team))
    found = await visit.read(to_and_fro, teams=teams) if teams else ()
    return [(each, [team_name(visit, team_of(team)) for team in each.teams]) for each in found]
