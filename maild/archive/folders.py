"""Searches that are kept as folders, by a person for themselves or for a team.

A folder holds nothing: whoever opens it searches with their own rights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, or_, select

from maild.archive.allowed import allowed
from maild.archive.audit import Record, record
from maild.archive.questions import Question, Sight
from maild.archive.schema_inbox import folders
from maild.mail.acts import Act
from maild.policy.visible import Visible

MOST = 30  # of a person, and of a team


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A kept search. `team` None: one's own."""

    id: int
    team: str | None
    name: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Somebody keeps a search, for a team or (None) for themselves. That they may was decided before."""

    user_id: int
    login: str
    team: str | None
    name: str
    query: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropping:
    """Somebody gives up a folder: their own, or one of the teams for which they may."""

    id: int
    user_id: int
    login: str
    teams: frozenset[str]
    at_ms: int


def folders_of(connection: Connection, *, visible: Visible, user_id: int) -> tuple[Folder, ...]:
    """Return a person's own folders, and those of the teams they may read, by name."""
    rows = _FOLDERS.rows(connection, visible, user=user_id)
    return tuple(Folder(id=row.id, team=row.team, name=row.name, query=row.query) for row in rows)


def _folders(sight: Sight) -> Select[Any]:
    shared = and_(folders.c.team.is_not(None), allowed(folders.c.team, sight))
    return (
        select(folders.c.id, folders.c.team, folders.c.name, folders.c.query)
        .where(or_(folders.c.user_id == bindparam("user"), shared))
        .order_by(folders.c.team.is_not(None), folders.c.name, folders.c.id)
    )


_FOLDERS = Question(_folders)


def keep_folders(connection: Connection, arguments: list[Keeping]) -> list[bool]:
    """Keep searches; False where there are too many. A unit of work."""
    return [_keep(connection, keeping) for keeping in arguments]


def _keep(connection: Connection, keeping: Keeping) -> bool:
    whose = folders.c.user_id == keeping.user_id if keeping.team is None else folders.c.team == keeping.team
    if (connection.scalar(select(func.count()).select_from(folders).where(whose)) or 0) >= MOST:
        return False
    owner = {"user_id": keeping.user_id if keeping.team is None else None, "team": keeping.team}
    connection.execute(insert(folders).values(**owner, name=keeping.name, query=keeping.query, made_by=keeping.login))
    _audit(connection, keeping.login, keeping.at_ms, keeping.team, {"kept": keeping.name})
    return True


def drop_folders(connection: Connection, arguments: list[Dropping]) -> list[bool]:
    """Give folders up; False where there is none that is theirs. A unit of work."""
    return [_drop(connection, dropping) for dropping in arguments]


def _drop(connection: Connection, dropping: Dropping) -> bool:
    theirs = or_(folders.c.user_id == dropping.user_id, folders.c.team.in_(sorted(dropping.teams)))
    row = connection.execute(select(folders).where(folders.c.id == dropping.id, theirs)).first()
    if row is None:
        return False
    connection.execute(delete(folders).where(folders.c.id == dropping.id))
    _audit(connection, dropping.login, dropping.at_ms, row.team, {"dropped": row.name})
    return True


def _audit(connection: Connection, login: str, at_ms: int, team: str | None, details: dict[str, Any]) -> None:
    record(connection, [Record(at_ms=at_ms, actor=login, act=Act.FOLDER, team=team or "", details=details)])
