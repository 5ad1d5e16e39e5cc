"""Searches kept as folders: making one of a search, and giving it up."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.folders import Dropping, Keeping, drop_folders, keep_folders
from maild.archive.standing import Reach
from maild.errors import NotFoundError
from maild.policy.roles import Permission
from maild.web.visit import Visit

_MAX_NAME = 40
_MAX_QUERY = 500


async def change(visit: Visit) -> Response:
    """Keep a search, or give a folder up."""
    if visit.form.get("do") == "drop":
        return await _drop(visit)
    name = " ".join(visit.form.get("name", "").split())
    query = visit.form.get("q", "").strip()
    if not name or not query or len(name) > _MAX_NAME or len(query) > _MAX_QUERY or not name.isprintable():
        raise HTTPException(400)
    team = visit.form.get("team") or None
    if team is not None and not visit.may(Permission.RESPOND, team):
        raise NotFoundError("no such team")
    keeping = Keeping(
        user_id=visit.person.user_id, login=visit.person.login, team=team, name=name, query=query, at_ms=visit.now_ms
    )
    await visit.write(keep_folders, keeping, needs=((Permission.RESPOND, team),) if team is not None else ())
    return visit.go(f"/search?q={quote(query)}")


def _narrowed(asked: Dropping, reach: Reach) -> Dropping:
    return replace(asked, teams=reach.teams(Permission.RESPOND) & reach.visible.teams)


async def _drop(visit: Visit) -> Response:
    teams = frozenset(team for team in visit.visible.teams if visit.may(Permission.RESPOND, team))
    dropping = Dropping(
        id=visit.number("folder") or 0, user_id=visit.person.user_id, login=visit.person.login, teams=teams,
        at_ms=visit.now_ms,
    )  # fmt: skip
    await visit.write(drop_folders, dropping, narrowed=_narrowed)
    return visit.go(f"/search?q={quote(visit.form.get('q', '')[:_MAX_QUERY])}")
