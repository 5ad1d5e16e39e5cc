"""The first page of who comes back: what happened meanwhile, and what they take back."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from maild.archive.return_home import Choice, Settling, returned, settle
from maild.archive.standing import Reach
from maild.errors import ForbiddenError
from maild.policy.roles import Permission
from maild.web.forms import whole_number
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit


async def page(visit: Visit) -> Response:
    """Show what happened."""
    found = await visit.read(
        returned, visible=visit.visible, user_id=visit.person.user_id, parents=visit.parents, now_ms=visit.now_ms
    )
    if found is None:
        return visit.go("/absences")
    return visit.page(
        "returning.html",
        shell=await shell_of(visit),
        found=found,
        items=[(item, team_name(visit, item.team), item.team in _answering(visit)) for item in found.items],
        own=visit.person.user_id,
    )


def _answering(visit: Visit) -> frozenset[str]:
    whole = frozenset(team for team in visit.visible.teams if visit.may(Permission.RESPOND, team))
    return whole | visit.helps(Permission.RESPOND)


async def choose(visit: Visit) -> Response:
    """Carry out what was chosen: for each conversation, or for all."""
    do = visit.form.get("do", "")
    choices = []
    for name, value in visit.form.items():
        text, _, team = name.removeprefix("item-").partition(".")
        number = whole_number(text, digits=19) if name.startswith("item-") else None  # the ids of letters have 19
        if number is not None:
            wanted = {"all-back": "back", "all-stay": "stay"}.get(do, value)
            choices.append(Choice(conversation_id=number, team=team, take_back=wanted == "back"))
    settling = Settling(
        user_id=visit.person.user_id,
        login=visit.person.login,
        absence_id=visit.number("absence") or 0,
        choices=tuple(choices),
        inboxes=_answering(visit),
        visible=visit.visible,
        parents=visit.parents,
        at_ms=visit.services.now_ms(),
    )
    await visit.write(settle, settling, narrowed=_narrowed)
    visit.services.feed.publish()
    return visit.go("/")


def _narrowed(asked: Settling, reach: Reach) -> Settling:
    """Fit what was chosen to what its person may see; raises ForbiddenError where they may answer no more."""
    lent = reach.helps(Permission.RESPOND) & reach.sees.assigned
    if asked.inboxes - reach.teams(Permission.RESPOND) - lent:
        raise ForbiddenError("the right ended")
    return replace(asked, visible=reach.sees, at_ms=reach.at_ms)
