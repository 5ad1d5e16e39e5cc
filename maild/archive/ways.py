"""Where letters go that come for a team which has handed the conversation over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from maild.archive.prepared import PreparedIn
from maild.archive.schema_inbox import handed

_OPEN = PreparedIn(
    lambda ids: select(handed.c.conversation_id, handed.c.from_team, handed.c.to_team).where(
        handed.c.conversation_id.in_(ids), handed.c.ended_ms.is_(None)
    )
)


def open_ways(connection: Connection, conversation_id: int) -> dict[str, str]:
    """Return the next hand of each inbox that has handed a conversation over."""
    return {from_team: to_team for _, from_team, to_team in _OPEN.rows(connection, [conversation_id])}


def end_of(ways: Mapping[str, str], team: str) -> str:
    """Return who has what came for a team, through as many hands as it went."""
    passed = {team}
    while team in ways and ways[team] not in passed:
        team = ways[team]
        passed.add(team)
    return team


def forwards(connection: Connection, conversation_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return by conversation which inbox's letters go to which other one now; of others nothing."""
    ways: dict[int, dict[str, str]] = {}
    for number, from_team, to_team in _OPEN.rows(connection, sorted(set(conversation_ids))):
        ways.setdefault(number, {})[from_team] = to_team
    return {number: {team: end_of(each, team) for team in each} for number, each in ways.items()}
