"""Roles and what each may do.

The roles of a team build on one another, from who reads to who decides who reads. Three roles are about no
team; none of them lets anyone read mail: who keeps the machine running needs no letter of a citizen for it.
"""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One act. The first group is asked for with a team, the second without."""

    READ = "read"  # letters, notes, history
    DRAFT = "draft"  # write an answer that someone else sends; internal notes
    RESPOND = "respond"  # send, take, set the state
    ASSIGN = "assign"  # give to a colleague, hand over, merge, split
    MANAGE = "manage"  # who belongs to the team

    PEOPLE = "people"  # accounts and grants
    OPERATE = "operate"  # health in detail, metrics, the queue
    RULES = "rules"
    AUDIT = "audit"


class Role(StrEnum):
    """What a grant says, in the words of `maild grant`."""

    READER = "reader"
    DRAFTER = "drafter"
    RESPONDER = "responder"
    COORDINATOR = "coordinator"
    MANAGER = "manager"

    ADMINISTRATOR = "administrator"
    RULE_EDITOR = "rule-editor"
    AUDITOR = "auditor"


_READER = frozenset({Permission.READ})
_DRAFTER = _READER | {Permission.DRAFT}
_RESPONDER = _DRAFTER | {Permission.RESPOND}
_COORDINATOR = _RESPONDER | {Permission.ASSIGN}
_MANAGER = _COORDINATOR | {Permission.MANAGE}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.READER: _READER,
    Role.DRAFTER: _DRAFTER,
    Role.RESPONDER: _RESPONDER,
    Role.COORDINATOR: _COORDINATOR,
    Role.MANAGER: _MANAGER,
    Role.ADMINISTRATOR: frozenset({Permission.PEOPLE, Permission.OPERATE}),
    Role.RULE_EDITOR: frozenset({Permission.RULES}),
    Role.AUDITOR: frozenset({Permission.AUDIT}),
}

TEAM_ROLES: frozenset[Role] = frozenset({Role.READER, Role.DRAFTER, Role.RESPONDER, Role.COORDINATOR, Role.MANAGER})
# What can be given on assigned entries alone: who assigns, hands over or lets others in sees the inbox.
LENT: frozenset[Role] = frozenset({Role.READER, Role.DRAFTER, Role.RESPONDER})
TEAM_PERMISSIONS: frozenset[Permission] = _MANAGER
