"""Something to do, for who asks: what has waited longest, is nobody's, and has nobody reading it right now.

It is offered, and taken by the usual button. Who helps, and sees only what is assigned to them, takes it unseen. Who
asks how often, and takes how much, is counted nowhere.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from maild.archive.handling import Handling, Work, Worked, handle
from maild.archive.lists import Free, longest_free
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.web.shell import Place, shell_of, team_name
from maild.web.standing_in import cover_in
from maild.web.visit import Visit


async def offer(visit: Visit) -> Response:
    """Lead to a conversation that is nobody's, in one of the teams in which the visitor may answer."""
    whole = frozenset(team for team in visit.visible.teams if visit.may(Permission.RESPOND, team))
    for each in await _free(visit, whole | visit.helps(Permission.RESPOND)):
        if each.team in whole:
            return visit.go(Place(team=each.team, state="unassigned").conversation_url(each.reference))
        return visit.page("offer.html", shell=await shell_of(visit), team=each.team, name=team_name(visit, each.team))
    return _nothing(visit, visit.request.query_params.get("team", ""))


async def take(visit: Visit) -> Response:
    """Assign what has waited longest to the visitor, who sees it from then on."""
    for each in await _free(visit, visit.helps(Permission.RESPOND)):
        handling = Handling(
            conversation_id=each.conversation_id, team=each.team, shown=each.revision, assignee=visit.person.user_id
        )
        work = Work(by=visit.person.login, at_ms=visit.services.now_ms(), handlings=(handling,))
        worked: Worked = await visit.write(handle, work, needs=((Permission.RESPOND, each.team),), of=())
        if worked.done:
            visit.services.feed.publish(frozenset({each.team}))
            return visit.go(Place(team=each.team).conversation_url(each.reference))
    return _nothing(visit, visit.form.get("team", ""))


async def _free(visit: Visit, teams: frozenset[str]) -> list[Free]:
    cover = await visit.read(cover_in, visit.services, teams, visit.now_ms)
    found: tuple[Free, ...] = await visit.read(longest_free, visible=Visible(teams=teams), cover=cover)
    here = visit.services.presence.here(
        (each.conversation_id for each in found), teams, visit.person.user_id, visit.now_ms
    )
    return [each for each in found if each.conversation_id not in here]


def _nothing(visit: Visit, asked: str) -> Response:
    return visit.go(f"/inbox/{quote(asked)}?said=nothing-free" if asked in visit.visible.inboxes else "/")
