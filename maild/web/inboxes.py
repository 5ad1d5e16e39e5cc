"""The inboxes of teams, and the way to the one that its reader left last."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from maild.archive.accounts import Preference, last_path, set_preferences
from maild.archive.notes import mentions_of
from maild.policy.roles import Permission
from maild.web.absences import absent_here, first_page
from maild.web.after_sending import failures
from maild.web.between_teams import tossed
from maild.web.leaving import handed_to
from maild.web.own_addresses import writable
from maild.web.people_notices import people_notices
from maild.web.selection import left_as_they_are, offered
from maild.web.shell import place_from, shell_of
from maild.web.undoing import undo_offered
from maild.web.visit import Visit
from maild.web.welcome import is_due


async def home(visit: Visit) -> Response:
    """Lead to the inbox one left last, else to the first; say what to do when there is none. Who is new is welcomed."""
    if await is_due(visit):
        return visit.go("/welcome")
    if (first := await first_page(visit)) is not None:
        return visit.go(first)
    visible = visit.visible
    left = await visit.read(last_path, visit.person.user_id)
    if left is not None and left in {f"/inbox/{quote(team)}" for team in visible.inboxes}:
        return visit.go(left)
    around = await shell_of(visit)
    if around.teams:
        return visit.go(f"/inbox/{quote(around.teams[0].id)}")
    return visit.page("empty.html", shell=around, rights=await people_notices(visit))


async def inbox(visit: Visit) -> Response:
    """Show a list of one team's conversations."""
    team = visit.request.path_params["team"]
    place = place_from(visit.request.query_params, team)
    around, visible = await shell_of(visit, place), visit.visible
    path = f"/inbox/{quote(team)}"
    if visit.is_own_navigation and await visit.read(last_path, visit.person.user_id) != path:
        await visit.write(set_preferences, Preference(user_id=visit.person.user_id, last_path=path))
    return visit.page(
        "inbox.html",
        shell=around,
        failures=await failures(visit),
        rights=None if visit.is_live else await people_notices(visit),
        absent=await absent_here(visit, team),
        got=[] if visit.is_live else await handed_to(visit),
        tossed=await tossed(visit),
        mentions=await visit.read(mentions_of, visible=visible, user_id=visit.person.user_id),
        may_write=bool(writable(visit)),
        undo=await undo_offered(visit),
        offered=await offered(visit, team),
        helping=team in visible.assigned,
        takes=team in visit.helps(Permission.RESPOND),
        left=await left_as_they_are(visit, team),
        said=visit.request.query_params.get("said", ""),
    )
