"""For which inboxes the visitor may write."""

from __future__ import annotations

from maild.policy.roles import Permission
from maild.web.visit import Visit


def writable(visit: Visit) -> frozenset[str]:
    """Return the inboxes for which the visitor may at least draft."""
    return frozenset(team for team in visit.visible.teams if visit.may(Permission.DRAFT, team))
