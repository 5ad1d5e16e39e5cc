"""People and their roles: for administrators, and for managers in their own teams.

A manager sees who has a role there, with those roles alone; anybody else is not there for them. Who is to get a role is
named by login, so that no list of everybody has to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from maild.archive.accounts import grants_of
from maild.archive.invitations import without_password
from maild.archive.rights import Asker, Person, people
from maild.errors import NotFoundError
from maild.mail.inbox import confidential
from maild.policy.credentials import may_invite
from maild.policy.deputies import may_mark_absent
from maild.policy.granting import Teams, managed, may_grant, may_revoke
from maild.policy.grants import Grant
from maild.policy.roles import TEAM_ROLES, Permission, Role
from maild.web import times
from maild.web.people_words import ROLES
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A role as the page lists it."""

    role: str
    team: str  # "": it is about no team
    place: str
    from_ms: int | None  # None: it holds already
    last_day: str  # "": until it is taken back
    soon: bool
    may_revoke: bool
    may_prolong: bool
    only_assigned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What stands in the form for a role."""

    login: str = ""
    role: str = "responder"
    team: str = ""
    first: str = ""
    last: str = ""
    only: str = ""  # "yes": of assigned conversations alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Sure:
    """An act that leaves teams without readers, and asks whether it is meant.

    `waits`: there are closed ones among them, whose mail nobody sees then; `goes`: others, whose mail goes elsewhere.
    """

    action: str
    teams: str  # their names
    waits: bool
    goes: bool
    fields: Mapping[str, str]


SOON_MS = 7 * times.DAY_MS


def teams_of(visit: Visit) -> Teams:
    """Return the teams of the rules that serve now."""
    return Teams(parents=visit.parents, closed=visit.services.rulebook.current.closed)


def asker(visit: Visit) -> Asker:
    """Return who the visitor is to the units of work that give roles."""
    return Asker(
        actor=visit.person.login, user_id=visit.person.user_id, teams=teams_of(visit), at_ms=visit.services.now_ms()
    )


def inboxes_managed(visit: Visit) -> frozenset[str]:
    """Return the teams whose people the visitor decides on as their manager."""
    return managed(visit.person, teams_of(visit), visit.now_ms)


async def people_seen(visit: Visit) -> list[Person]:
    """Return whom the visitor may see here: an administrator everybody, a manager the people of the own teams."""
    inboxes = None if visit.may(Permission.PEOPLE) else inboxes_managed(visit)
    return await visit.read(people, inboxes, visit.now_ms)


async def person_seen(visit: Visit, user_id: str) -> Person:
    """Return one of them; raises NotFoundError."""
    for person in await people_seen(visit):
        if str(person.user.id) == user_id:
            return person
    raise NotFoundError("there is nobody of that number")


async def overview(visit: Visit) -> Response:
    """List people."""
    return await show_all(visit)


async def one(visit: Visit) -> Response:
    """Show a person."""
    query = visit.request.query_params
    person = await person_seen(visit, visit.request.path_params["number"])
    typed = Typed(
        login=person.user.login,
        role=query.get("role", "responder"),
        team=query.get("team", ""),
        first=query.get("first", ""),
        last=query.get("last", ""),
        only=query.get("only", ""),
    )
    return await show_one(visit, person, typed=typed)


async def show_all(
    visit: Visit,
    *,
    typed: Typed | None = None,
    fault: str = "",
    account: dict[str, str] | None = None,
    until_ms: int = 0,
    status: int = 200,
) -> Response:
    """Show everybody, with what is wrong in the form for a role or for an account, or with the link to a new one."""
    asked = visit.request.query_params.get("q", "").strip()[:100]
    found = [person for person in await people_seen(visit) if _matches(person, asked)]
    return visit.page(
        "people.html",
        status=status,
        shell=await shell_of(visit),
        people=[(person, held_of(visit, person)) for person in found[:_SHOWN]],
        total=len(found),
        asked=asked,
        typed=typed or Typed(team=visit.request.query_params.get("team", "")),
        fault=fault,
        account=account,
        until_ms=until_ms,
        **_choices(visit, ""),
    )


async def show_one(
    visit: Visit, person: Person, *, typed: Typed, fault: str = "", sure: Sure | None = None, status: int = 200
) -> Response:
    """Show a person; with `sure`, ask whether the act of these fields is meant, which leaves a team without readers."""
    user = person.user
    # Not the roles that the visitor sees: a link opens all that the person may do.
    held = await visit.read(grants_of, user.id)
    linkable = user.disabled_ms is None and may_invite(visit.person, user.id, held, teams_of(visit), visit.now_ms)
    return visit.page(
        "person.html",
        status=status,
        shell=await shell_of(visit),
        person=user,
        held=held_of(visit, person),
        linkable=linkable,
        may_mark=user.disabled_ms is None and may_mark_absent(visit.person, held, visit.parents, visit.now_ms),
        is_new=linkable and user.id in await visit.read(without_password),
        typed=typed,
        fault=fault,
        sure=sure,
        said=visit.request.query_params.get("said", "") if not fault else "",
        own=user.id == visit.person.user_id,
        **_choices(visit, user.login),
    )


def _choices(visit: Visit, login: str) -> dict[str, object]:
    """Return what the form for a role offers: only what the visitor may give."""
    teams, rules = teams_of(visit), visit.services.rulebook.current
    inboxes = [name for team in rules.teams for name in (team, confidential(team))]

    def may(role: Role, team: str | None) -> bool:
        return may_grant(visit.person, login, role, team, teams=teams, now_ms=visit.now_ms)

    return {
        "teams": [(name, team_name(visit, name)) for name in inboxes if may(Role.READER, name)],
        "roles": [role for role in Role if role in TEAM_ROLES],
        "offices": [role for role in Role if role not in TEAM_ROLES and may(role, None)],
        "role_names": ROLES,
        "appoints": visit.may(Permission.PEOPLE),
    }


def _matches(person: Person, asked: str) -> bool:
    user = person.user
    return all(word in f"{user.login} {user.name} {user.mail or ''}".lower() for word in asked.lower().split())


def held_of(visit: Visit, person: Person) -> list[Held]:
    """Return a person's roles as they are shown."""
    return [_held(visit, person, grant) for grant in person.grants]


def _held(visit: Visit, person: Person, grant: Grant) -> Held:
    teams, now_ms = teams_of(visit), visit.now_ms
    until = grant.until_ms
    return Held(
        role=str(grant.role),
        team=grant.team or "",
        place=team_name(visit, grant.team) if grant.team else "",
        from_ms=grant.from_ms if grant.from_ms > now_ms else None,
        last_day="" if until is None else last_day(visit, until),
        soon=until is not None and until <= now_ms + SOON_MS,
        may_revoke=may_revoke(visit.person, grant.role, grant.team, teams=teams, now_ms=now_ms),
        may_prolong=until is not None
        and may_grant(visit.person, person.user.login, grant.role, grant.team, teams=teams, now_ms=now_ms),
        only_assigned=grant.only_assigned,
    )


def last_day(visit: Visit, until_ms: int) -> str:
    """Say the last day on which something holds."""
    return times.day(times.moment(until_ms - 1, visit.zone).date(), visit.language)
