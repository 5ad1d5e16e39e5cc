"""To whom goes what somebody leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.policy.grants import Grant, teams_with
from maild.policy.roles import PERMISSIONS, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody who may answer in an inbox. `assigns`: also assign there, as coordinators may."""

    user_id: int
    login: str
    name: str
    assigns: bool = False
    present: bool = True


def colleagues_in(
    inboxes: Iterable[str],
    people: Mapping[int, tuple[str, str, tuple[Grant, ...]]],
    parents: Mapping[str, str | None],
    absent: Iterable[int],
    now_ms: int,
) -> dict[str, tuple[Colleague, ...]]:
    """Return by inbox who may answer there, by name; `people` are login, name and grants of open accounts."""
    away, found = set(absent), {inbox: list[Colleague]() for inbox in inboxes}
    for user_id, (login, name, grants) in people.items():
        answers, assigns = (
            teams_with(grants, permission, parents, now_ms) for permission in (Permission.RESPOND, Permission.ASSIGN)
        )
        for inbox in found.keys() & answers:
            found[inbox].append(
                Colleague(
                    user_id=user_id, login=login, name=name, assigns=inbox in assigns, present=user_id not in away
                )
            )
    return {inbox: tuple(sorted(them, key=lambda each: (each.name, each.login))) for inbox, them in found.items()}


def rule_editors(
    people: Mapping[int, tuple[str, str, tuple[Grant, ...]]], absent: Iterable[int], now_ms: int
) -> tuple[Colleague, ...]:
    """Return who may edit the rules, by name; `people` are login, name and grants of open accounts."""
    away = set(absent)
    found = [
        Colleague(user_id=user_id, login=login, name=name, present=user_id not in away)
        for user_id, (login, name, grants) in people.items()
        if any(g.team is None and g.holds(now_ms) and Permission.RULES in PERMISSIONS[g.role] for g in grants)
    ]
    return tuple(sorted(found, key=lambda each: (each.name, each.login)))


def next_author(editors: tuple[Colleague, ...]) -> Colleague | None:
    """Propose who goes on with changes of the rules that wait; None: they stay, to be decided by who is left.

    Nobody decides on their own change: where one editor is left, it has to stay that of who leaves.
    """
    present = [each for each in editors if each.present]
    return present[0] if present and len(editors) > 1 else None


def successor(colleagues: Iterable[Colleague], deputy_id: int | None, *, assigns: bool) -> Colleague | None:
    """Propose who goes on in an inbox: the deputy, else a colleague of the same rank who is there; None: the team."""
    known = list(colleagues)
    for each in known:
        if each.user_id == deputy_id:
            return each
    return next((each for each in known if each.present and each.assigns is assigns), None)
