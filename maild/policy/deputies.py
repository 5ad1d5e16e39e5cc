"""Who acts for whom while people are away, and which team for which: decided from dated facts.

What somebody absent has goes to their deputy, to the deputy's deputy, and where that leads to nobody, to the team. A
whole team that is away is covered by its deputy team, for as long as nobody of it is there. Standing in gives a person
no right: who may not answer in a team stands in for nobody there. A team that covers another may there what it may in
its own inbox, but for saying who belongs to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from maild.policy.granting import Teams
from maild.policy.grants import Grant, Principal, assigned_with, teams_with
from maild.policy.roles import PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody is away at `from_ms` and no longer at `until_ms`; None: until somebody says that they are back."""

    user_id: int
    from_ms: int
    until_ms: int | None = None
    deputy_id: int | None = None

    def holds(self, now_ms: int) -> bool:
        """Tell whether they are away at a time."""
        return self.from_ms <= now_ms and (self.until_ms is None or now_ms < self.until_ms)

    def overlaps(self, other: Absence) -> bool:
        """Tell whether there is a time of which both speak."""
        return all(one.until_ms is None or two.from_ms < one.until_ms for one, two in ((self, other), (other, self)))


Away = Mapping[int, Absence]  # by the id of the person


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Who acts for whom in which inbox at one moment: by inbox, by who is away, who acts; None is the team.

    `answering` are those who may answer in an inbox, where that was asked: what anybody else has there is the team's.
    """

    acting: Mapping[str, Mapping[int, int | None]] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    answering: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def whom(self, inbox: str, user_id: int | None) -> tuple[int, ...]:
        """Return for whom somebody acts in an inbox; with None, for whom the team does."""
        return tuple(sorted(away for away, by in self.acting.get(inbox, {}).items() if by == user_id))

    def name(self, inbox: str, user_id: int | None) -> str | None:
        """Return the name of who acts for somebody; "" for the team; None: they are there themselves."""
        here = self.acting.get(inbox, {})
        if user_id is None or user_id not in here:
            return None
        by = here[user_id]
        return "" if by is None else self.names.get(by, "")

    def may_not(self, inbox: str, user_id: int | None) -> bool:
        """Tell whether somebody who has something in an inbox may not answer there, or no more."""
        return user_id is not None and inbox in self.answering and user_id not in self.answering[inbox]


NO_COVER = Cover()


def away_at(absences: Iterable[Absence], now_ms: int) -> dict[int, Absence]:
    """Return who is away at a time; of two absences of one person the later in order speaks."""
    return {absence.user_id: absence for absence in absences if absence.holds(now_ms)}


def acting(user_id: int, away: Away, ready: Collection[int], closed: Collection[int] = ()) -> int | None:
    """Return who acts for somebody who is away; None: the team does.

    `ready` are those who may answer in the inbox. Accounts that are `closed` are passed over, to their own deputies.
    """
    passed, here = {user_id}, away.get(user_id)
    while here is not None and here.deputy_id is not None and here.deputy_id not in passed:
        deputy = here.deputy_id
        passed.add(deputy)
        is_closed = deputy in closed
        if not is_closed and deputy not in ready:
            return None
        if not is_closed and deputy not in away:
            return deputy
        here = away.get(deputy)
    return None


def may_mark_absent(who: Principal, theirs: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int) -> bool:
    """Tell whether somebody may say that a person is away from now on: who answers in a team that the person reads."""
    return _common(Permission.RESPOND, who, theirs, teams, now_ms)


def may_plan_absence(
    who: Principal, user_id: int, theirs: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int
) -> bool:
    """Tell whether somebody may say when a person will be away, and that they are back: themselves, a coordinator."""
    return who.user_id == user_id or _common(Permission.ASSIGN, who, theirs, teams, now_ms)


def may_stand_in(
    deputy: Iterable[Grant], theirs: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int
) -> bool:
    """Tell whether there is an inbox in which somebody could act for a person."""
    readable = _reads(theirs, teams, now_ms)
    return not readable.isdisjoint(teams_with(deputy, Permission.RESPOND, teams, now_ms))


def _common(
    permission: Permission, who: Principal, theirs: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int
) -> bool:
    readable = _reads(theirs, teams, now_ms)
    return not readable.isdisjoint(teams_with(who.grants, permission, teams, now_ms))


def _reads(theirs: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int) -> frozenset[str]:
    """Return the inboxes in which a person reads anything: helpers who see what is assigned to them fall ill, too."""
    held = list(theirs)
    return teams_with(held, Permission.READ, teams, now_ms) | assigned_with(held, Permission.READ, teams, now_ms)


# --- whole teams ----------------------------------------------------------------------------------------------


def covers(deputies: Mapping[str, str | None], present: Iterable[Grant], teams: Teams, now_ms: int) -> dict[str, str]:
    """Return which team is covered by which one at this moment.

    `deputies` names the deputy team of each team, `present` is what all were granted who are there and whose accounts
    are open. A deputy team that is away itself leads on to its own. What is closed to administrators is covered by
    nobody: who can write rules or close accounts would open it so.
    """
    there = teams_with(present, Permission.RESPOND, teams.parents, now_ms)
    found = {}
    for team, deputy in deputies.items():
        passed, here = {team}, deputy
        while here is not None and here not in there and here not in passed:
            passed.add(here)
            here = deputies.get(here)
        if team not in there and here in there and here is not None and not teams.sealed(team):
            found[team] = here
    return found


def lent_by_cover(
    grants: Iterable[Grant], covered: Mapping[str, str], parents: Mapping[str, str | None], now_ms: int
) -> tuple[Grant, ...]:
    """Return what a person may in teams that theirs cover, as grants that hold at this moment."""
    held = list(grants)
    reach = {permission: teams_with(held, permission, parents, now_ms) for permission in _LENT}
    lent = []
    for team, deputy in covered.items():
        roles = [role for permission, role in _LENT.items() if deputy in reach[permission]]
        if roles:
            best = max(roles, key=lambda role: len(PERMISSIONS[role]))
            lent.append(Grant(role=best, team=team, from_ms=now_ms, alone=True))
    return tuple(lent)


_LENT = {
    Permission.READ: Role.READER,
    Permission.DRAFT: Role.DRAFTER,
    Permission.RESPOND: Role.RESPONDER,
    Permission.ASSIGN: Role.COORDINATOR,
}
