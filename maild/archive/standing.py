"""Asking once more, within the transaction of an act, whether its person may still do it.

A page decides who may act; until its act is carried out, a role may end or be taken back, or the account be closed. So
the unit of work goes through here: what a person holds is read in the same transaction, at that moment. Where the right
has gone, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from maild.archive.accounts import acting_principal
from maild.archive.commit import lock_head
from maild.archive.outgoing import survivor_of
from maild.archive.schema import entries
from maild.archive.team_cover import with_cover
from maild.errors import ForbiddenError, NotFoundError
from maild.policy.grants import Principal, assigned_with, may, teams_with, visible
from maild.policy.roles import Permission
from maild.policy.visible import Visible
from maild.rules.model import Ruleset

Unit = Callable[[Connection, list[Any]], Sequence[Any]]
Talks = tuple[int, ...]  # ids of conversations
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
        """The inboxes that they may read as a whole."""
        return visible(self.who.grants, self.parents, self.at_ms)

    @property
    def sees(self) -> Visible:
        """What they may read, also because it is assigned to them."""
        return visible(self.who.grants, self.parents, self.at_ms, self.who.user_id)

    def teams(self, permission: Permission) -> frozenset[str]:
        """Return the inboxes in which they hold a permission."""
        return teams_with(self.who.grants, permission, self.parents, self.at_ms)

    def helps(self, permission: Permission) -> frozenset[str]:
        """Return the inboxes in which they hold a permission for what is assigned to them, and for nothing else."""
        lent = assigned_with(self.who.grants, permission, self.parents, self.at_ms)
        return lent - self.teams(permission)

    def may(self, permission: Permission, team: str | None) -> bool:
        """Tell whether they may do one act, whosever it is."""
        return may(self.who, permission, team=team, teams=self.parents, now_ms=self.at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A unit of work with its one argument, and what its person must hold when it is carried out.

    `of` are the conversations that it is about: who helps holds a right where the entries of these are theirs at that
    moment. None: it is about none, and who helps holds no right to it; with an empty tuple the unit itself asks whose
    each one is. `narrowed` fits the argument to what they may at that moment, where it says so itself.
    """

    unit: Unit
    argument: Any
    by: Standing
    needs: tuple[Need, ...]
    of: Talks | None = None
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
            _require(connection, reach, need, each.of)
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
        _require(connection, reach, need, None)


def reach_of(connection: Connection, by: Standing) -> Reach:
    """Return what a person may at this moment, also where their team covers another. Raises ForbiddenError."""
    at_ms = by.now_ms()
    who = acting_principal(connection, by.user_id)
    return Reach(who=with_cover(connection, who, by.rules, at_ms), parents=by.rules.parents, at_ms=at_ms)


def _require(connection: Connection, reach: Reach, need: Need, of: Talks | None) -> None:
    permission, team = need
    if reach.may(permission, team):
        return
    own = team is not None and of is not None and _are_theirs(connection, reach, team, of)
    if own and team in reach.helps(permission):
        return
    if team is not None and not reach.may(Permission.READ, team) and not (own and team in reach.sees.assigned):
        raise NotFoundError("not there, or not any more")
    raise ForbiddenError("the right ended")


def _are_theirs(connection: Connection, reach: Reach, team: str, of: Talks) -> bool:
    lies = entries.c
    for talk in of:
        where = (lies.conversation_id == survivor_of(connection, talk), lies.team == team)
        if connection.scalar(select(lies.assignee).where(*where)) != reach.who.user_id:
            return False
    return True
