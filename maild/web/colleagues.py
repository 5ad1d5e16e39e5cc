"""Who else may work in an inbox: the people that something can be given to, and no others."""

from __future__ import annotations

from sqlalchemy import Connection

from maild.archive.accounts import User, people_granted
from maild.mail.inbox import is_confidential, team_of
from maild.policy.roles import LENT, PERMISSIONS, Permission, Role
from maild.rules.model import Ruleset


def colleagues(
    connection: Connection, rules: Ruleset, inbox: str, now_ms: int, permission: Permission = Permission.RESPOND
) -> list[User]:
    """Return who holds a permission in an inbox now, by name."""
    team, found = team_of(inbox), dict[int, User]()
    asked = Permission.MANAGE if is_confidential(inbox) else permission
    for held_in, wanted in (({team, *rules.ancestors(team)}, asked), ({inbox}, permission)):
        roles = {role for role in Role if wanted in PERMISSIONS[role]}
        found |= {user.id: user for user in people_granted(connection, held_in, roles, now_ms)}
    return _by_name(found)


def helpers(
    connection: Connection, rules: Ruleset, inbox: str, now_ms: int, permission: Permission = Permission.RESPOND
) -> list[User]:
    """Return who holds a permission in an inbox for entries that are assigned to them, by name."""
    held_in = {inbox} if is_confidential(inbox) else {inbox, *rules.ancestors(inbox)}
    roles = {role for role in LENT if permission in PERMISSIONS[role]}
    return _by_name({
        user.id: user for user in people_granted(connection, held_in, roles, now_ms, only_assigned=True)
    })  # fmt: skip


def assignable(connection: Connection, rules: Ruleset, inbox: str, now_ms: int) -> list[User]:
    """Return to whom an entry can be given: colleagues who may answer, and helpers who see it once it is theirs."""
    found = {user.id: user for user in colleagues(connection, rules, inbox, now_ms)}
    return _by_name(found | {user.id: user for user in helpers(connection, rules, inbox, now_ms)})


def _by_name(found: dict[int, User]) -> list[User]:
    return sorted(found.values(), key=lambda user: (user.name or user.login, user.id))
