"""What the first page says of rights and ways in: those that end soon, and what somebody else gave or did."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from maild.archive.agreeing import waiting_links
from maild.archive.audit_requests import Waiting
from maild.archive.rights import Ending, RightsNotice, endings, notices
from maild.archive.sign_in_notices import SignInNotice, told
from maild.policy.granting import ending
from maild.policy.roles import Permission
from maild.web.auditing import waiting
from maild.web.people import SOON_MS, inboxes_managed, last_day, teams_of
from maild.web.people_words import ROLES
from maild.web.shell import team_name
from maild.web.visit import Visit

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A role that ends soon, as the page says it. `user_id` leads to where it can be prolonged; None: one's own."""

    name: str
    role: str
    team: str
    place: str
    day: str
    user_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleNotices:
    """All of it, for the template."""

    own: tuple[Ends, ...]
    others: tuple[Ends, ...]
    given: tuple[tuple[RightsNotice, str], ...]  # with the name of the team
    requests: Waiting
    links: int  # that wait for the visitor to agree
    ways_in: tuple[SignInNotice, ...]  # what was done to one's own
    role_names: dict[str, str]

    def __bool__(self) -> bool:
        """Tell whether there is anything to say."""
        waits = self.requests.requests or self.links
        return bool(self.own or self.others or self.given or waits or self.ways_in)


async def people_notices(visit: Visit) -> PeopleNotices:
    """Return what is to be said to the visitor today."""
    own = ending(visit.person.grants, visit.now_ms, SOON_MS)
    inboxes = inboxes_managed(visit)
    ends, given = await visit.read(_of_teams, visit, inboxes) if inboxes else ([], [])
    agrees = bool(inboxes) or visit.may(Permission.PEOPLE)
    return PeopleNotices(
        own=tuple(
            Ends(name="", role=str(g.role), team=g.team or "", place=_place(visit, g.team), day=_day(visit, g.until_ms))
            for g in own
        ),
        others=tuple(
            Ends(
                name=each.name,
                role=str(each.grant.role),
                team=each.grant.team or "",
                place=_place(visit, each.grant.team),
                day=_day(visit, each.grant.until_ms),
                user_id=each.user_id,
            )
            for each in ends
            if each.login != visit.person.login
        ),
        given=tuple((notice, team_name(visit, notice.team)) for notice in given),
        requests=await waiting(visit) if inboxes or visit.may(Permission.AUDIT) else Waiting(),
        links=len(await visit.read(waiting_links, visit.person, teams_of(visit), visit.now_ms)) if agrees else 0,
        ways_in=tuple(await visit.read(told, visit.person.user_id)),
        role_names=ROLES,
    )


def _of_teams(connection: Connection, visit: Visit, inboxes: frozenset[str]) -> tuple[list[Ending], list[RightsNotice]]:
    return (
        endings(connection, inboxes, visit.now_ms, SOON_MS),
        notices(connection, inboxes, visit.person.login, _SHOWN),
    )


def _place(visit: Visit, team: str | None) -> str:
    return team_name(visit, team) if team else ""


def _day(visit: Visit, until_ms: int | None) -> str:
    return "" if until_ms is None else last_day(visit, until_ms)
