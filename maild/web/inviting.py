"""Links by which somebody sets a password: made by who answers for the person, opened by the person.

The link is shown once, to be handed over in person. No mail carries it: it could come to an inbox that colleagues read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from anyio.to_thread import run_sync
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import User, grants_of, list_users
from maild.archive.invitations import (
    NewInvitation,
    Redemption,
    invite,
    invited,
    open_invitation,
    redeem,
    without_password,
)
from maild.archive.passwords import hash_password, objection
from maild.archive.sessions import digest_of, new_token
from maild.policy.credentials import may_invite
from maild.policy.roles import Permission
from maild.web.password_words import OBJECTIONS
from maild.web.people import teams_of
from maild.web.signing import Desk
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitable:
    """A person for whom the visitor may make a link. `until_ms`: one was made and holds."""

    user: User
    is_new: bool
    until_ms: int | None


def invitable(connection: Connection, visit: Visit) -> list[Invitable]:
    """Return for whom the visitor may make a link."""
    waiting, new = invited(connection, visit.now_ms), without_password(connection)
    return [
        Invitable(user=user, is_new=user.id in new, until_ms=waiting.get(user.id))
        for user in list_users(connection)
        if user.disabled_ms is None
        and may_invite(visit.person, user.id, grants_of(connection, user.id), teams_of(visit), visit.now_ms)
    ]


async def overview(visit: Visit) -> Response:
    """List for whom the visitor may make a link."""
    people = await visit.read(invitable, visit)
    if not people and not visit.may(Permission.PEOPLE):
        raise HTTPException(404)
    chosen = visit.request.query_params.get("login", "")
    return visit.page("invitations.html", people=people, chosen=chosen, may_forget=visit.may(Permission.PEOPLE))


async def make(visit: Visit) -> Response:
    """Make a link and show it, once."""
    login = visit.form.get("login", "")
    chosen = next((p for p in await visit.read(invitable, visit) if p.user.login == login), None)
    if chosen is None:
        raise HTTPException(404)
    forgets = visit.form.get("forget") == "yes" and visit.may(Permission.PEOPLE)
    link, new = new_link(visit, chosen.user.login, forgets_second=forgets)
    until_ms = await visit.write(invite, new)
    return visit.page("invitation.html", person=chosen.user, link=link, until_ms=until_ms)


def new_link(visit: Visit, login: str, *, forgets_second: bool = False) -> tuple[str, NewInvitation]:
    """Draw a link for a person; returns it, to be shown once, and what is kept of it."""
    token = new_token()
    new = NewInvitation(
        digest=digest_of(token),
        login=login,
        by=visit.person.login,
        at_ms=visit.now_ms,
        forgets_second=forgets_second,
    )
    return f"{visit.services.settings.base_url}/welcome/{token}", new


class Welcome:
    """Where a link leads to."""

    def __init__(self, desk: Desk) -> None:
        """Let people in by `desk`."""
        self._desk = desk

    async def show(self, visit: Visit) -> Response:
        """Show the form; opening the link changes nothing, so that no program that looks at links uses it up."""
        found = await visit.read(open_invitation, visit.request.path_params["token"], teams_of(visit), visit.now_ms)
        return visit.page("invited.html", status=200 if found else 404, invitation=found, objection="")

    async def take(self, visit: Visit) -> Response:
        """Set the password and let the person in, by way of the second factor if there is one."""
        token, password = visit.request.path_params["token"], visit.form.get("new", "")
        found = await visit.read(open_invitation, token, teams_of(visit), visit.now_ms)
        if found is None:
            return visit.page("invited.html", status=404, invitation=None, objection="")
        organisation = visit.services.rulebook.current.organisation.name
        wrong = objection(password, login=found.login, name=found.name, organisation=organisation)
        if wrong is None and password != visit.form.get("again"):
            wrong = "differs"
        if wrong is not None:
            return visit.page("invited.html", status=400, invitation=found, objection=OBJECTIONS[wrong])
        stored = await run_sync(partial(hash_password, password, visit.services.settings.password_cost))
        asked = Redemption(token=token, password=stored, teams=teams_of(visit), at_ms=visit.now_ms)
        done = await visit.write(redeem, asked)
        if done is None:
            return visit.page("invited.html", status=404, invitation=None, objection="")
        wanted = "/sessions/second-factor" if visit.form.get("second") == "yes" else "/"
        return await self._desk.after_password(visit, done.user_id, done.login, stored, wanted)
