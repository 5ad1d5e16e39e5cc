"""Asking once more, within the transaction of an act, whether its person may still do it.

A page decides who may act; until its act is carried out, a role may end or be taken back, or the account be closed. So
the unit of work goes through here: what a person holds is read in the same transaction, at that moment. Where the right
has gone, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from maild.archive.accounts import acting_principal
from maild.archive.commit import lock_head
from maild.archive.team_cover import with_cover
from maild.errors import ForbiddenError, NotFoundError
from maild.policy.grants import Principal, assigned_with, may, teams_with, visible
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.rules.model import Ruleset

Unit = Callable[[Connection, list[Any]], Sequence[Any]]
Need = tuple[Permission, str | None]  # in that team; at large


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whose right an act needs. `now_ms` is the clock: what counts is the moment of the act, not that of the page."""

    user_id: int
    rules: Ruleset
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a person may at one moment."""

    who: Principal
    parents: Mapping[str, str | None]
    at_ms: int

    @property
    def visible(self) -> Visible:
        """What they may read."""
        return visible(self.who.grants, self.parents, self.at_ms)

    def teams(self, permission: Permission) -> frozenset[str]:
        """Return the inboxes in which they hold a permission."""
        return teams_with(self.who.grants, permission, self.parents, self.at_ms)

    def may(self, permission: Permission, team: str | None) -> bool:
        """Tell whether they may do one act; a helper, as long as the loan lasts, with what the page found assigned."""
        if may(self.who, permission, team=team, teams=self.parents, now_ms=self.at_ms):
            return True
        return team is not None and team in assigned_with(self.who.grants, permission, self.parents, self.at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A unit of work with its one argument, and what its person must hold when it is carried out.

    `narrowed` fits the argument to what they may at that moment, where it says so itself.
    """

    unit: Unit
    argument: Any
    by: Standing
    needs: tuple[Need, ...]
    narrowed: Callable[[Any, Reach], Any] | None = None


def while_allowed(connection: Connection, arguments: list[Allowed]) -> Sequence[Any]:
    """Carry out acts whose persons may still do them. A unit of work.

    Raises:
        NotFoundError: the person may no longer read where the act is done.
        ForbiddenError: the person may read there, or it is no team's, and may not do it any more.
    """
    lock_head(connection)  # who takes a role back takes it, too: the one is before the other
    results = []
    for each in arguments:
        reach = reach_of(connection, each.by)
        for need in each.needs:
            _require(reach, need)
        argument = each.argument if each.narrowed is None else each.narrowed(each.argument, reach)
        (result,) = each.unit(connection, [argument])
        results.append(result)
    return results


def at_that_moment(asked: Any, reach: Reach) -> Any:
    """Narrow an act that asks by itself, and for this the time at which it is carried out."""
    return replace(asked, at_ms=reach.at_ms)


def by_whom_then(asked: Any, reach: Reach) -> Any:
    """Narrow an act that asks by itself whom it says it is `by`, and for this the time at which it is carried out."""
    return replace(asked, by=replace(asked.by, at_ms=reach.at_ms))


def require_standing(connection: Connection, by: Standing, needs: tuple[Need, ...]) -> None:
    """Ask once more before something that no transaction holds. Raises as `while_allowed` does."""
    reach = reach_of(connection, by)
    for need in needs:
        _require(reach, need)


def reach_of(connection: Connection, by: Standing) -> Reach:
    """Return what a person may at this moment, also where their team covers another. Raises ForbiddenError."""
    at_ms = by.now_ms()
    who = acting_principal(connection, by.user_id)
    return Reach(who=with_cover(connection, who, by.rules, at_ms), parents=by.rules.parents, at_ms=at_ms)


def _require(reach: Reach, need: Need) -> None:
    permission, team = need
    if reach.may(permission, team):
        return
    if team is not None and not reach.may(Permission.READ, team):
        raise NotFoundError("not there, or not any more")
    raise ForbiddenError("the right ended")
