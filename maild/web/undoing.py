"""Taking back what one has just done to entries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.responses import Response

from maild.archive.handling import Undo, Undone, undoable
from maild.archive.standing import Reach
from maild.archive.undoing import undo
from maild.policy.roles import Permission
from maild.web.forms import own_path, whole_number
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An act that can be undone: `count` entries; `here` is where its page leads back to."""

    id: int
    count: int
    here: str


async def undo_offered(visit: Visit) -> Offer | None:
    """Return what the address names of the visitor's own acts, as long as it can be undone."""
    number = whole_number(visit.request.query_params.get("undo", ""))
    if number is None:
        return None
    count = await visit.read(undoable, by=visit.person.login, undo_id=number, now_ms=visit.now_ms)
    query = visit.request.url.include_query_params().remove_query_params("undo").query
    here = visit.request.url.path + (f"?{query}" if query else "")
    return Offer(id=number, count=count, here=here) if count else None


def _narrowed(asked: Undo, reach: Reach) -> Undo:
    """Fit an undoing to where its person may still act: what is elsewhere by now is left."""
    teams = reach.teams(Permission.RESPOND) & reach.visible.teams
    return replace(asked, teams=teams, assigns=teams & reach.teams(Permission.ASSIGN))


async def undo_act(visit: Visit) -> Response:
    """Undo an act of one's own, where nobody has changed anything since."""
    teams = frozenset(team for team in visit.visible.teams if visit.may(Permission.RESPOND, team))
    teams |= visit.helps(Permission.RESPOND)
    asked = Undo(
        id=visit.number("undo") or 0, by=visit.person.login, at_ms=visit.services.now_ms(), teams=teams,
        assigns=frozenset(team for team in teams if visit.may(Permission.ASSIGN, team)), learns=visit.services.learns,
    )  # fmt: skip
    done: Undone = await visit.write(undo, asked, narrowed=_narrowed)
    visit.services.feed.publish(frozenset(team for _, team in done.restored))
    path = own_path(visit.form.get("next", ""))
    said = "undone" if not done.left else "undone-partly"
    return visit.go(path + ("&" if "?" in path else "?") + f"said={said}")
