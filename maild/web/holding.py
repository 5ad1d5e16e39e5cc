"""Held mail: what is to be done with a letter, and the act of letting it go."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from maild.archive import queries
from maild.archive.duties import Release, duties_of, release
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.acts import Act
from maild.mail.ids import format_id, parse_id
from maild.policy.roles import Permission
from maild.web.duty_words import Line, lines
from maild.web.forms import own_path
from maild.web.visit import Visit


async def duty_lines(visit: Visit, messages: Iterable[queries.Message]) -> dict[int, list[Line]]:
    """Return what is to be said at each letter of its duties; none of a letter: no key."""
    found = await visit.read(duties_of, visible=visit.visible, message_ids=[message.id for message in messages])
    teams = {duty.team for recorded in found.values() for duty in recorded}
    may_release = frozenset(team for team in teams if _may(visit, team))
    return {number: lines(recorded, visit.language, may_release) for number, recorded in found.items()}


def _may(visit: Visit, team: str) -> bool:
    """Tell whether the visitor may release what they see of an inbox."""
    return visit.may(Permission.RESPOND, team) or team in visit.helps(Permission.RESPOND)


async def let_go(visit: Visit) -> Response:
    """Release what a team has held back of a letter."""
    number = parse_id(visit.request.path_params["id"])
    if number is None:
        raise NotFoundError("not an id")
    message = await visit.read(queries.message, visible=visit.visible, message_id=number)
    team = visit.form.get("team", "")
    if team not in message.teams:
        raise NotFoundError("not in that inbox")
    if not _may(visit, team):
        raise ForbiddenError("readers change nothing")
    change = Release(message_id=message.id, team=team, by=visit.person.login, at_ms=visit.now_ms)
    done = visit.acted(
        Act.RELEASED, team=team, conversation_id=message.conversation_id, about=format_id(message.id), what="held mail"
    )
    if await visit.write(release, change, done, needs=((Permission.RESPOND, team),)):
        visit.services.feed.publish(frozenset({team}))
        visit.services.on_released()
    return visit.go(own_path(visit.form.get("next", "")))
