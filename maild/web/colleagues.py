"""Who else may work in an inbox: the people that something can be given to, and no others."""

from __future__ import annotations

from sqlalchemy import Connection

from maild.archive.accounts import User, people_granted
from maild.mail.inbox import is_confidential, team_of
from maild.policy.roles import PERMISSIONS, Permission, Role
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
    return sorted(found.values(), key=lambda user: (user.name or user.login, user.id))
