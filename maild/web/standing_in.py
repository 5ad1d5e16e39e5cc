"""Who acts for whom, as each request asks it: for the session's rights, for lists, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from maild.archive.absences import cover
from maild.archive.sessions import Session, find_session
from maild.archive.team_cover import answering, with_cover
from maild.policy.deputies import Cover
from maild.web.services import Services


def session_of(connection: Connection, services: Services, token: str, now_ms: int) -> Session | None:
    """Return the session that a token opens, with what its person may because their team covers another."""
    found = find_session(connection, token, services.settings.lifetime, now_ms)
    if found is None:
        return None
    return replace(found, principal=with_cover(connection, found.principal, services.rulebook.current, now_ms))


def cover_in(connection: Connection, services: Services, inboxes: Iterable[str], now_ms: int) -> Cover:
    """Return who acts for whom in inboxes, and who may answer there, by the rules that serve now."""
    asked, rules = frozenset(inboxes), services.rulebook.current
    found = cover(connection, asked, rules.parents, now_ms)
    return replace(found, answering=answering(connection, asked, rules, now_ms))
