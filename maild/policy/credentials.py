"""Who may give whom a link to a new password, who must agree to it, and from whom a second factor is asked."""

from __future__ import annotations

from collections.abc import Iterable

from maild.policy.granting import Teams, managed
from maild.policy.grants import Grant, Principal, may
from maild.policy.roles import PERMISSIONS, Permission

SECOND_FACTOR = ("optional", "required", "administrators")
AGREES_AFTER_MS = 7 * 86_400_000  # a role younger than that agrees to nothing: its giver may be who asks


def may_invite(who: Principal, user_id: int, theirs: Iterable[Grant], teams: Teams, now_ms: int) -> bool:
    """Tell whether `who` may hand a link to the person `user_id`: with it comes all that the person may do.

    Who manages every team in which the person holds a grant, or will hold one, may; and an administrator, but for teams
    and inboxes that are closed to administrators. For oneself nobody may: a session that was left open would become an
    account that was taken.
    """
    if who.user_id == user_id:
        return False
    appoints, own = may(who, Permission.PEOPLE, now_ms=now_ms), managed(who, teams, now_ms)
    lasting = _lasting(theirs, now_ms)
    # Security: with an account of the works council an administrator would read what no administrator may.
    return (appoints or bool(lasting)) and all(
        grant.team in own or (appoints and (grant.team is None or not teams.sealed(grant.team))) for grant in lasting
    )


def takes_two(who: Principal, theirs: Iterable[Grant], teams: Teams, now_ms: int) -> bool:
    """Tell whether a second person must agree to the link that `who` makes.

    That is where it would open what its maker may not have alone: the role of a manager, who reads the confidential
    inbox, or one without a team, which for the rules and the audit log is the second pair of eyes. A manager of the
    same team has the rights already, and would be two people with it: one of them could give roles to the other.
    """
    return bool(_weighty(who, theirs, teams, now_ms))


def told_of_link(who: Principal, theirs: Iterable[Grant], teams: Teams, now_ms: int) -> frozenset[str]:
    """Return the teams of a person whose managers are told of a link that `who` makes.

    Those that its maker does not manage, and those in which it opens what takes two.
    """
    held = [grant for grant in theirs if grant.holds(now_ms)]
    weighty = {grant.team for grant in _weighty(who, held, teams, now_ms)}
    own = managed(who, teams, now_ms)
    return frozenset(g.team for g in held if g.team is not None and (g.team not in own or g.team in weighty))


def may_agree(
    second: Principal, maker: Principal, user_id: int, theirs: Iterable[Grant], *, teams: Teams, now_ms: int
) -> bool:
    """Tell whether `second` may agree to a link that `maker` made for the person `user_id`.

    Another administrator may, and a manager of a team that the person manages; who has been that all through a week.
    """
    if second.user_id in {user_id, maker.user_id}:
        return False
    moments = _moments(second, now_ms - AGREES_AFTER_MS, now_ms)
    if all(may(second, Permission.PEOPLE, now_ms=at_ms) for at_ms in moments):
        return True
    own = frozenset.intersection(*(managed(second, teams, at_ms) for at_ms in moments))
    return any(grant.team in own for grant in _weighty(maker, theirs, teams, now_ms))


def _moments(who: Principal, from_ms: int, until_ms: int) -> list[int]:
    """Return the moments of a time at which what somebody holds may have become another.

    Security: who was an administrator a week ago, and has become one again just now, has not been one for a week.
    """
    ends = {at_ms for g in who.grants for at_ms in (g.from_ms, g.until_ms, g.revoked_ms) if at_ms is not None}
    return sorted({from_ms, until_ms, *(at_ms for at_ms in ends if from_ms < at_ms <= until_ms)})


def _weighty(who: Principal, theirs: Iterable[Grant], teams: Teams, now_ms: int) -> list[Grant]:
    return [
        grant
        for grant in _lasting(theirs, now_ms)
        if grant.team is None
        or (Permission.MANAGE in PERMISSIONS[grant.role] and not _manages_above(who, grant.team, teams, now_ms))
    ]


def _manages_above(who: Principal, team: str, teams: Teams, now_ms: int) -> bool:
    """Tell whether somebody manages a team above this one: who manages this one alone gives them nothing there."""
    above = teams.parents.get(team)
    return above is not None and above in managed(who, teams, now_ms)


def _lasting(theirs: Iterable[Grant], now_ms: int) -> list[Grant]:
    return [g for g in theirs if all(end is None or now_ms < end for end in (g.until_ms, g.revoked_ms))]


def second_factor_asked(setting: str, grants: Iterable[Grant], now_ms: int) -> bool:
    """Tell whether somebody must have a second factor: with "administrators", who holds a role that has no team."""
    if setting == "administrators":
        return any(grant.team is None and grant.holds(now_ms) for grant in grants)
    return setting == "required"
