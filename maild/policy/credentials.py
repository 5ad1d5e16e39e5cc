"""Who may give whom a link to a new password, and from whom a second factor is asked."""

from __future__ import annotations

from collections.abc import Iterable

from maild.policy.granting import Teams, managed
from maild.policy.grants import Grant, Principal, may
from maild.policy.roles import Permission

SECOND_FACTOR = ("optional", "required", "administrators")


def may_invite(who: Principal, user_id: int, theirs: Iterable[Grant], teams: Teams, now_ms: int) -> bool:
    """Tell whether `who` may hand a link to the person `user_id`: with it comes all that the person may do.

    Who manages every team in which the person holds a grant, or will hold one, may; and an administrator, but for teams
    and inboxes that are closed to administrators. For oneself nobody may: a session that was left open would become an
    account that was taken.
    """
    if who.user_id == user_id:
        return False
    appoints, own = may(who, Permission.PEOPLE, now_ms=now_ms), managed(who, teams, now_ms)
    lasting = [g for g in theirs if all(end is None or now_ms < end for end in (g.until_ms, g.revoked_ms))]
    # Security: with an account of the works council an administrator would read what no administrator may.
    return (appoints or bool(lasting)) and all(
        grant.team in own or (appoints and (grant.team is None or not teams.sealed(grant.team))) for grant in lasting
    )


def second_factor_asked(setting: str, grants: Iterable[Grant], now_ms: int) -> bool:
    """Tell whether somebody must have a second factor: with "administrators", who holds a role that has no team."""
    if setting == "administrators":
        return any(grant.team is None and grant.holds(now_ms) for grant in grants)
    return setting == "required"
