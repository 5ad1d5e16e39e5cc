"""Teams that are away, and those that cover them: asked anew each time, so that it ends the moment somebody is back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from maild.archive.absences import away_now
from maild.archive.accounts import open_grants
from maild.archive.audit import Record, record
from maild.archive.commit import lock_head
from maild.archive.readers import Held, teams_of
from maild.archive.schema_absences import team_covers
from maild.mail.acts import Act
from maild.policy.deputies import covers, lent_by_cover
from maild.policy.grants import Grant, Principal, holders, teams_with
from maild.policy.roles import Permission
from maild.rules.model import Ruleset


def covered_by(held: Held, absent: frozenset[int], rules: Ruleset, now_ms: int) -> dict[str, str]:
    """Return which team is covered by which one, of open accounts and those among them who are away."""
    deputies = {team.id: team.deputy for team in rules.teams.values()}
    if not any(deputies.values()):
        return {}
    present = [grant for user_id, grants in held.items() if user_id not in absent for grant in grants]
    return covers(deputies, present, teams_of(rules), now_ms)


def covered_now(connection: Connection, rules: Ruleset, now_ms: int) -> dict[str, str]:
    """Return which team is covered by which one at this moment."""
    if not any(team.deputy for team in rules.teams.values()):
        return {}
    return covered_by(open_grants(connection), frozenset(away_now(connection, now_ms)), rules, now_ms)


def with_cover(connection: Connection, who: Principal, rules: Ruleset, now_ms: int) -> Principal:
    """Return a person with what they may at this moment because their team covers another one."""
    deputies = {team.deputy for team in rules.teams.values() if team.deputy is not None}
    if deputies.isdisjoint(teams_with(who.grants, Permission.READ, rules.parents, now_ms)):
        return who
    lent = lent_of(who.grants, covered_now(connection, rules, now_ms), rules, now_ms)
    return replace(who, grants=(*who.grants, *lent)) if lent else who


def lent_of(grants: tuple[Grant, ...], covered: dict[str, str], rules: Ruleset, now_ms: int) -> tuple[Grant, ...]:
    """Return what a person may in covered teams."""
    return lent_by_cover(grants, covered, rules.parents, now_ms) if covered else ()


def answering(connection: Connection, inboxes: Iterable[str], rules: Ruleset, now_ms: int) -> dict[str, frozenset[int]]:
    """Return who may answer in inboxes at this moment, also those whose team covers another."""
    held, asked = open_grants(connection), frozenset(inboxes)
    covered = covered_by(held, frozenset(away_now(connection, now_ms)), rules, now_ms)
    found = holders(held, Permission.RESPOND, asked | set(covered.values()), rules.parents, now_ms)
    return {inbox: found[inbox] | found.get(covered.get(inbox, ""), frozenset()) for inbox in asked}


# --- the log ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """Who covers whom by these rules at this moment."""

    rules: Ruleset
    at_ms: int


def has_changed(connection: Connection, asked: Covering) -> bool:
    """Tell whether the log does not know yet who covers whom."""
    return covered_now(connection, asked.rules, asked.at_ms) != _known(connection)


def _known(connection: Connection) -> dict[str, str]:
    return {row.team: row.deputy for row in connection.execute(select(team_covers))}


def note_covers(connection: Connection, arguments: list[Covering]) -> list[frozenset[str]]:
    """Record which teams are covered from now on, and which no more; return them. A unit of work."""
    return [_note(connection, each) for each in arguments]


def _note(connection: Connection, asked: Covering) -> frozenset[str]:
    lock_head(connection)
    now, known = covered_now(connection, asked.rules, asked.at_ms), _known(connection)
    changed = sorted(team for team in now.keys() | known.keys() if now.get(team) != known.get(team))
    rows: list[dict[str, Any]] = []
    for team in changed:
        connection.execute(delete(team_covers).where(team_covers.c.team == team))
        if team in now:
            rows.append({"team": team, "deputy": now[team], "since_ms": asked.at_ms})
    if rows:
        connection.execute(insert(team_covers), rows)
    record(connection, [
        Record(
            at_ms=asked.at_ms, actor="", act=Act.ABSENT if team in now else Act.RETURNED, team=team,
            details={"deputy": now.get(team, known.get(team))},
        )
        for team in changed
    ])  # fmt: skip
    return frozenset(changed)
