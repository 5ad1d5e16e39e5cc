"""Who may give whom a link to a new password, and from whom a second factor is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maild.policy.grants import Grant, Principal, may, teams_with
from maild.policy.roles import Permission

SECOND_FACTOR = ("optional", "required", "administrators")


def may_invite(
    who: Principal, user_id: int, theirs: Iterable[Grant], teams: Mapping[str, str | None], now_ms: int
) -> bool:
    """Tell whether `who` may hand a link to the person `user_id`: with it comes all that the person may do.

    An administrator may, and who manages every team in which the person holds a grant, or will hold one. For oneself
    nobody may: a session that was left open would become an account that was taken.
    """
    if who.user_id == user_id:
        return False
    if may(who, Permission.PEOPLE, now_ms=now_ms):
        return True
    lasting = [g for g in theirs if all(end is None or now_ms < end for end in (g.until_ms, g.revoked_ms))]
    managed = teams_with(who.grants, Permission.MANAGE, teams, now_ms)
    return bool(lasting) and all(grant.team in managed for grant in lasting)


def second_factor_asked(setting: str, grants: Iterable[Grant], now_ms: int) -> bool:
    """Tell whether somebody must have a second factor: with "administrators", who holds a role that has no team."""
    if setting == "administrators":
        return any(grant.team is None and grant.holds(now_ms) for grant in grants)
    return setting == "required"
