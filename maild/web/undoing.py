"""Taking back what one has just done to entries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.responses import Response

from maild.archive.handling import Undo, Undone, undoable
from maild.archive.standing import Reach
from maild.archive.undoing import kind_of, undo
from maild.policy.roles import Permission
from maild.web.forms import own_path, whole_number
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An act that can be undone: `count` entries; `here` is where its page leads back to.

    `kind` is what was done to conversations as a whole, "" for acts on entries.
    """

    id: int
    count: int
    kind: str
    here: str


async def undo_offered(visit: Visit) -> Offer | None:
    """Return what the address names of the visitor's own acts, as long as it can be undone."""
    number = whole_number(visit.request.query_params.get("undo", ""))
    if number is None:
        return None
    count = await visit.read(undoable, by=visit.person.login, undo_id=number, now_ms=visit.now_ms)
    query = visit.request.url.include_query_params().remove_query_params("undo").query
    here = visit.request.url.path + (f"?{query}" if query else "")
    if not count:
        return None
    return Offer(id=number, count=count, kind=await visit.read(kind_of, undo_id=number), here=here)


def _narrowed(asked: Undo, reach: Reach) -> Undo:
    """Fit an undoing to where its person may act at that moment: what is elsewhere by now is left."""
    teams = reach.teams(Permission.RESPOND) & reach.visible.teams
    helps = reach.helps(Permission.RESPOND)
    return replace(asked, teams=teams, assigns=teams & reach.teams(Permission.ASSIGN), helps=helps)


async def undo_act(visit: Visit) -> Response:
    """Undo an act of one's own, where nobody has changed anything since."""
    asked = Undo(
        id=visit.number("undo") or 0, by=visit.person.login, at_ms=visit.services.now_ms(), teams=frozenset(),
        user_id=visit.person.user_id, learns=visit.services.learns,
    )  # fmt: skip
    done: Undone = await visit.write(undo, asked, narrowed=_narrowed)
    visit.services.feed.publish(frozenset(team for _, team in done.restored))
    path = own_path(visit.form.get("next", ""))
    said = "undone" if not done.left else "undone-partly"
    return visit.go(path + ("&" if "?" in path else "?") + f"said={said}")
