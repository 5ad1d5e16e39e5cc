"""What a team's letters are made of: the signature below them, and texts that who writes can put in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, true

from maild.archive.accounts import name_or
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.schema import users
from maild.archive.schema_team_texts import team_texts
from maild.mail.acts import Act
from maild.policy.visible import Visible

SIGNATURE = ""  # its name
MOST = 200  # texts of one team


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamText:
    """A text as it is now. `name` "" is the signature, whose text may be empty.

    `formatted` counts for the signature alone: the team's letters begin with formatting.
    """

    team: str
    name: str
    version: int
    subject: str
    text: str
    formatted: bool
    author_name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Somebody saves a text. That they may was decided before. `base` is the version they began with, 0: a new one."""

    team: str
    name: str
    base: int
    subject: str = ""
    text: str
    formatted: bool = False
    author: str
    at_ms: int


def save_texts(connection: Connection, arguments: list[Save]) -> list[bool]:
    """Write versions down; False for one that somebody has saved since, or one too many. A unit of work."""
    return [_save(connection, save) for save in arguments]


def _save(connection: Connection, save: Save) -> bool:
    # Before the question: of two people who save at once the second must see the first one's version.
    lock_head(connection)
    newest = connection.execute(
        select(team_texts.c.version, team_texts.c.text)
        .where(team_texts.c.team == save.team, team_texts.c.name == save.name)
        .order_by(team_texts.c.version.desc())
        .limit(1)
    ).first()
    # A name that was given up can be given anew.
    known = 0 if newest is None or not (newest.text or save.base) else newest.version
    if known != save.base or (save.text and not save.base and _count(connection, save.team) >= MOST):
        return False
    number = 1 if newest is None else newest.version + 1
    row = {name: getattr(save, name) for name in ("team", "name", "subject", "text", "author", "at_ms")}
    connection.execute(insert(team_texts).values(row | {"version": number, "formatted": int(save.formatted)}))
    details = {"version": number, "removed": not save.text, "signature": save.name == SIGNATURE}
    record(connection, [
        Record(at_ms=save.at_ms, actor=save.author, act=Act.TEMPLATE, team=save.team, about=save.name, details=details)
    ])  # fmt: skip
    return True


def _count(connection: Connection, team: str) -> int:
    return len(texts_of(connection, visible=Visible(teams=frozenset({team})), teams=[team]))


def texts_of(connection: Connection, *, visible: Visible, teams: Iterable[str]) -> tuple[TeamText, ...]:
    """Return what there is of these teams, as far as anything of their inboxes is visible, by name.

    What was removed is left out. Helpers write with the same templates.
    """
    seen = true() if visible.everything else team_texts.c.team.in_(sorted(visible.inboxes))
    newest = (
        select(team_texts.c.team, team_texts.c.name, func.max(team_texts.c.version).label("version"))
        .where(seen, team_texts.c.team.in_(sorted(teams)))
        .group_by(team_texts.c.team, team_texts.c.name)
        .subquery()
    )
    same = (team_texts.c.team == newest.c.team) & (team_texts.c.name == newest.c.name)
    name = name_or(team_texts.c.author).label("author_name")
    columns = [c for c in team_texts.c if c.name != "author"]
    rows = connection.execute(
        select(*columns, name)
        .join(newest, same & (team_texts.c.version == newest.c.version))
        .outerjoin(users, users.c.login == team_texts.c.author)
        .where((team_texts.c.text != "") | (team_texts.c.name == SIGNATURE))
        .order_by(team_texts.c.team, team_texts.c.name)
    ).mappings()
    return tuple(TeamText(**{**row, "formatted": bool(row["formatted"])}) for row in rows)


def signatures(connection: Connection, teams: Iterable[str]) -> dict[str, TeamText]:
    """Return the signatures of teams. They stand below every letter of a team: no right to read is asked for."""
    asked = frozenset(teams)
    found = texts_of(connection, visible=Visible(teams=asked), teams=asked)
    return {each.team: each for each in found if each.name == SIGNATURE}
