"""Who may give a role, and take it back.

Nobody gives anything to themselves, but for one thing: an administrator may let themselves into a team that is not
closed to them, which the team's managers are told; not as its manager, who reads the confidential inbox. What a role is
given for, and until when, is its giver's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.mail.inbox import is_confidential, team_of
from maild.policy.grants import Grant, Principal, may, teams_with
from maild.policy.roles import PERMISSIONS, TEAM_ROLES, Permission, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """The teams of the rules: each with its parent, and those that are closed to administrators."""

    parents: Mapping[str, str | None]
    closed: frozenset[str] = frozenset()

    def is_closed(self, inbox: str) -> bool:
        """Tell whether an inbox is of a closed team, or of one below a closed team."""
        return not self.closed.isdisjoint(self._line(team_of(inbox)))

    def sealed(self, inbox: str) -> bool:
        """Tell whether a role there would let somebody into a closed team, or into a confidential inbox."""
        here = team_of(inbox)
        lines = [*self._line(here), *(team for team in self.parents if here in self._line(team))]
        return is_confidential(inbox) or not self.closed.isdisjoint(lines)

    def _line(self, team: str) -> list[str]:
        line: list[str] = []
        here: str | None = team
        while here is not None and here not in line:  # a circle, which the rules refuse, ends it too
            line.append(here)
            here = self.parents.get(here)
        return line


def managed(who: Principal, teams: Teams, now_ms: int) -> frozenset[str]:
    """Return the teams, and confidential inboxes, in which a person gives roles as their manager."""
    return teams_with(who.grants, Permission.MANAGE, teams.parents, now_ms)


def may_grant(who: Principal, login: str, role: Role, team: str | None, *, teams: Teams, now_ms: int) -> bool:
    """Tell whether `who` may give a role to the person of that login."""
    is_own = who.login == login
    if (role in TEAM_ROLES) is (team is None):
        return False
    appoints = may(who, Permission.PEOPLE, now_ms=now_ms)
    if team is None:
        # Security: nobody becomes administrator, auditor or rule editor by their own word.
        return appoints and not is_own
    if team in managed(who, teams, now_ms):
        return not is_own
    # Security: a manager reads the confidential inbox, which is closed to administrators.
    return appoints and not teams.sealed(team) and not (is_own and Permission.MANAGE in PERMISSIONS[role])


def may_revoke(who: Principal, role: Role, team: str | None, *, teams: Teams, now_ms: int) -> bool:
    """Tell whether `who` may take a role back from anybody; their own as well."""
    if team is not None and team in managed(who, teams, now_ms):
        return True
    appoints = may(who, Permission.PEOPLE, now_ms=now_ms)
    return appoints and (role in TEAM_ROLES) is (team is not None) and (team is None or not teams.sealed(team))


def ending(grants: Iterable[Grant], now_ms: int, within_ms: int) -> tuple[Grant, ...]:
    """Return the grants of one person that end soon, and that no other of at least the same rights follows."""
    held = [grant for grant in grants if grant.revoked_ms is None]
    return tuple(
        grant
        for grant in held
        if grant.until_ms is not None and grant.holds(now_ms) and grant.until_ms <= now_ms + within_ms
        if not any(_follows(other, grant, grant.until_ms) for other in held)
    )


def _follows(other: Grant, grant: Grant, at_ms: int) -> bool:
    narrower = other.only_assigned and not grant.only_assigned
    covers = other.team == grant.team and PERMISSIONS[grant.role] <= PERMISSIONS[other.role]
    return covers and not narrower and other.holds(at_ms)
