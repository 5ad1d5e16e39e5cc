"""Links by which somebody sets a password: made by who answers for the person, opened by the person.

The link is shown once, to be handed over in person. No mail carries it: it could come to an inbox that colleagues read.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from maild.archive.accounts import User, grants_of, list_users
from maild.archive.agreeing import Agreement, agree, waiting_links
from maild.archive.invitations import (
    NewInvitation,
    Redemption,
    invite,
    invited,
    open_invitation,
    redeem,
    waits_for_second,
    without_password,
)
from maild.archive.passwords import objection
from maild.archive.second_factors import who_has_factors
from maild.archive.sessions import digest_of, new_token
from maild.archive.standing import at_that_moment
from maild.policy.credentials import may_invite
from maild.policy.roles import Permission
from maild.web.password_words import OBJECTIONS
from maild.web.people import teams_of
from maild.web.problems import problem
from maild.web.proofs import BUSY_RETRY_S, Proofs
from maild.web.signing import Desk
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitable:
    """A person for whom the visitor may make a link, with what they have beside a password.

    `until_ms`: one was made and holds.
    """

    user: User
    is_new: bool
    until_ms: int | None
    app: bool = False
    passkeys: int = 0


def invitable(connection: Connection, visit: Visit) -> list[Invitable]:
    """Return for whom the visitor may make a link."""
    waiting, new = invited(connection, visit.now_ms), without_password(connection)
    factors = who_has_factors(connection)
    found = []
    for user in list_users(connection):
        theirs = grants_of(connection, user.id)
        if user.disabled_ms is None and may_invite(visit.person, user.id, theirs, teams_of(visit), visit.now_ms):
            app, keys = factors.get(user.id, (False, 0))
            found.append(
                Invitable(user=user, is_new=user.id in new, until_ms=waiting.get(user.id), app=app, passkeys=keys)
            )
    return found


async def overview(visit: Visit) -> Response:
    """List for whom the visitor may make a link."""
    people = await visit.read(invitable, visit)
    waiting = await visit.read(waiting_links, visit.person, teams_of(visit), visit.now_ms)
    if not people and not waiting and not visit.may(Permission.PEOPLE):
        raise HTTPException(404)
    chosen = visit.request.query_params.get("login", "")
    return visit.page(
        "invitations.html", people=people, waiting=waiting, chosen=chosen, may_forget=visit.may(Permission.PEOPLE)
    )


async def agreement(visit: Visit) -> Response:
    """Agree to a link that a colleague made, or refuse it."""
    number, made_ms = visit.number("number"), visit.number("made")
    if number is None or made_ms is None:
        raise HTTPException(404)
    said = Agreement(
        user_id=number,
        made_ms=made_ms,
        agrees=visit.form.get("do") == "agree",
        by_id=visit.person.user_id,
        teams=teams_of(visit),
        at_ms=visit.services.now_ms(),
    )
    await visit.write(agree, said, narrowed=at_that_moment)
    return visit.go("/invitations")


async def make(visit: Visit) -> Response:
    """Make a link and show it, once."""
    login = visit.form.get("login", "")
    chosen = next((p for p in await visit.read(invitable, visit) if p.user.login == login), None)
    if chosen is None:
        raise HTTPException(404)
    forgets = visit.form.get("forget") == "yes" and visit.may(Permission.PEOPLE)
    link, new = new_link(visit, chosen.user.login, forgets_second=forgets)
    until_ms = await visit.write(invite, new, narrowed=at_that_moment)
    waits = await visit.read(waits_for_second, visit.person, chosen.user.id, teams_of(visit), visit.now_ms)
    return visit.page(
        "invitation.html", person=chosen.user, link=link, until_ms=until_ms, waits=waits, chosen=chosen, forgets=forgets
    )


def new_link(visit: Visit, login: str, *, forgets_second: bool = False) -> tuple[str, NewInvitation]:
    """Draw a link for a person; returns it, to be shown once, and what is kept of it."""
    token = new_token()
    new = NewInvitation(
        digest=digest_of(token),
        login=login,
        by=visit.person.login,
        at_ms=visit.services.now_ms(),
        forgets_second=forgets_second,
        teams=teams_of(visit),
    )
    return f"{visit.services.settings.base_url}/welcome/{token}", new


class Welcome:
    """Where a link leads to."""

    def __init__(self, desk: Desk, proofs: Proofs) -> None:
        """Let people in by `desk`."""
        self._desk = desk
        self._proofs = proofs

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
        stored = await self._proofs.hashed(password)
        if not stored:
            return problem(visit.request, visit.services, 429, retry_after_s=BUSY_RETRY_S)
        asked = Redemption(token=token, password=stored, teams=teams_of(visit), at_ms=visit.now_ms)
        done = await visit.write(redeem, asked)
        if done is None:
            return visit.page("invited.html", status=404, invitation=None, objection="")
        wanted = "/sessions/second-factor" if visit.form.get("second") == "yes" else "/"
        return await self._desk.after_password(visit, done.user_id, done.login, stored, wanted)
