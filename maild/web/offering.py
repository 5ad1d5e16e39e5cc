"""Something to do, for who asks: what has waited longest, is nobody's, and has nobody reading it right now.

It is offered, and taken by the usual button. Who asks how often, and takes how much, is counted nowhere.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from maild.archive.lists import Free, longest_free
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.web.shell import Place
from maild.web.standing_in import cover_in
from maild.web.visit import Visit


async def offer(visit: Visit) -> Response:
    """Lead to a conversation that is nobody's, in one of the teams in which the visitor may answer."""
    teams = frozenset(team for team in visit.visible.teams if visit.may(Permission.RESPOND, team))
    cover = await visit.read(cover_in, visit.services, teams, visit.now_ms)
    found: tuple[Free, ...] = await visit.read(longest_free, visible=Visible(teams=teams), cover=cover)
    here = visit.services.presence.here(
        (each.conversation_id for each in found), teams, visit.person.user_id, visit.now_ms
    )
    for each in found:
        if each.conversation_id not in here:
            return visit.go(Place(team=each.team, state="unassigned").conversation_url(each.reference))
    asked = visit.request.query_params.get("team", "")
    return visit.go(f"/inbox/{quote(asked)}?said=nothing-free" if asked in visit.visible.teams else "/")
