"""From dated grants to rights: the one place where that is computed, and by default the answer is no.

A grant on a team holds for the teams below it. Teams are given as a mapping from id to parent (None at the
top), as the rules that serve now define them. A grant on a team that the rules no longer define holds for
that team's own archive: letters do not become unreadable when an office is renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.mail.inbox import confidential, is_confidential, team_of
from maild.policy.roles import LENT, PERMISSIONS, TEAM_PERMISSIONS, TEAM_ROLES, Permission, Role
from maild.policy.visible import Visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One dated permission. It holds at `from_ms` and no longer at `until_ms`; some roles have no team.

    One that stands `alone` does not hold below its team. One of `only_assigned` is for helpers: it holds for entries
    that are assigned to them, for as long as they are.
    """

    role: Role
    team: str | None
    from_ms: int
    until_ms: int | None = None
    revoked_ms: int | None = None
    alone: bool = False
    only_assigned: bool = False

    def holds(self, now_ms: int) -> bool:
        """Tell whether the grant holds at a time, and says something that has a meaning."""
        if (self.role in TEAM_ROLES) is (self.team is None):
            return False
        ends = [end for end in (self.until_ms, self.revoked_ms) if end is not None]
        return self.from_ms <= now_ms and all(now_ms < end for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts: a signed-in person with everything ever granted to them."""

    user_id: int
    login: str
    name: str
    grants: tuple[Grant, ...] = ()
    language: str | None = None


def teams_with(
    grants: Iterable[Grant], permission: Permission, teams: Mapping[str, str | None], now_ms: int
) -> frozenset[str]:
    """Return the teams, and the confidential inboxes of teams, in which `permission` is held.

    Of a confidential inbox that is who manages the team, and who has a grant on that inbox itself. Grants on assigned
    entries alone do not count: see `assigned_with`.
    """
    holding = [g for g in grants if g.team is not None and not g.only_assigned and g.holds(now_ms)]
    held, managed = (_where(asked, holding, teams) for asked in (permission, Permission.MANAGE))
    inner = {confidential(team) for team in managed if not is_confidential(team)}
    return frozenset(held | inner)


def assigned_with(
    grants: Iterable[Grant], permission: Permission, teams: Mapping[str, str | None], now_ms: int
) -> frozenset[str]:
    """Return the inboxes in which `permission` is held for entries that are assigned to the person."""
    holding = [g for g in grants if g.team is not None and g.only_assigned and g.role in LENT and g.holds(now_ms)]
    return frozenset(_where(permission, holding, teams))


def _where(permission: Permission, holding: list[Grant], teams: Mapping[str, str | None]) -> set[str]:
    permitting = [grant for grant in holding if permission in PERMISSIONS[grant.role]]
    held = {grant.team for grant in permitting if grant.team is not None}
    reaching = {grant.team for grant in permitting if not grant.alone}
    return held | {team for team in teams if not reaching.isdisjoint(_ancestors(team, teams))}


def holders(
    held: Mapping[int, Iterable[Grant]],
    permission: Permission,
    inboxes: Iterable[str],
    teams: Mapping[str, str | None],
    now_ms: int,
) -> dict[str, frozenset[int]]:
    """Return who holds a permission in each of these inboxes, of people with what they were granted."""
    granted = [(user_id, g) for user_id, grants in held.items() for g in grants if g.holds(now_ms)]
    on, managing = _by_team(granted, permission), _by_team(granted, Permission.MANAGE)
    return {
        inbox: frozenset(
            on.get(inbox, set()).union(*(managing.get(above, ()) for above in _ancestors(team_of(inbox), teams)))
            if is_confidential(inbox)
            else set().union(*(on.get(above, ()) for above in _ancestors(inbox, teams)))
        )
        for inbox in inboxes
    }


def _by_team(granted: Iterable[tuple[int, Grant]], permission: Permission) -> dict[str, set[int]]:
    """Return by team who was granted a role there that has a permission."""
    found: dict[str, set[int]] = {}
    for user_id, grant in granted:
        if grant.team is not None and permission in PERMISSIONS[grant.role]:
            found.setdefault(grant.team, set()).add(user_id)
    return found


def unread(grants: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int) -> frozenset[str]:
    """Return the teams, and confidential inboxes, that nobody can read, given what all open accounts were granted.

    Whether who is absent counts as a reader is for who asks to say, by what is given.
    """
    inboxes = frozenset(teams) | frozenset(map(confidential, teams))
    return inboxes - teams_with(grants, Permission.READ, teams, now_ms)


def visible(
    grants: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int, user_id: int | None = None
) -> Visible:
    """Return what may be read. Without `user_id`, nothing is anybody's because it is assigned to them."""
    held = list(grants)
    whole = teams_with(held, Permission.READ, teams, now_ms)
    assigned = frozenset() if user_id is None else assigned_with(held, Permission.READ, teams, now_ms) - whole
    return Visible(teams=whole, assigned=assigned, user_id=user_id if assigned else None)


def may(
    principal: Principal,
    permission: Permission,
    *,
    now_ms: int,
    team: str | None = None,
    teams: Mapping[str, str | None] | None = None,
) -> bool:
    """Tell whether `principal` may do one act: in `team` when the act belongs to a team, else at large."""
    if permission in TEAM_PERMISSIONS:
        return team is not None and team in teams_with(principal.grants, permission, teams or {}, now_ms)
    return any(
        grant.team is None and grant.holds(now_ms) and permission in PERMISSIONS[grant.role]
        for grant in principal.grants
    )


def may_with(
    principal: Principal,
    permission: Permission,
    team: str,
    assignee: int | None,
    *,
    now_ms: int,
    teams: Mapping[str, str | None],
) -> bool:
    """Tell whether `principal` may do one act with an entry of `team` that is `assignee`'s."""
    if may(principal, permission, team=team, teams=teams, now_ms=now_ms):
        return True
    own = assignee is not None and assignee == principal.user_id
    return own and team in assigned_with(principal.grants, permission, teams, now_ms)


def _ancestors(team: str, teams: Mapping[str, str | None]) -> Iterable[str]:
    """Yield a team and those above it; a circle, which the rules refuse, ends it too."""
    seen: set[str] = set()
    here: str | None = team
    while here is not None and here not in seen:
        yield here
        seen.add(here)
        here = teams.get(here)
