"""What the clock brings, also when maild did not run at that time.

What waits until a date opens when it has come, the accounts of those who leave close, and the log learns which teams
are covered by others since when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from maild.archive.database import Database
from maild.archive.handling import bring_back, is_due
from maild.archive.leaving import are_due, close_leavers
from maild.archive.team_cover import Covering, has_changed, note_covers
from maild.rules.rulebook import Rulebook

LOOK_S = 15.0
_log = structlog.get_logger()


async def bring_back_in_time(
    database: Database,
    rulebook: Rulebook,
    publish: Callable[[frozenset[str]], None],
    now_ms: Callable[[], int],
    *,
    look_s: float = LOOK_S,
) -> None:
    """Look until cancelled."""
    while True:
        try:
            if await asyncio.to_thread(_is_due, database, now_ms()):
                publish(await database.writer.run(bring_back, now_ms()))
            if await asyncio.to_thread(_leavers_due, database, now_ms()):
                await database.writer.run(close_leavers, now_ms())
            covering = Covering(rules=rulebook.current, at_ms=now_ms())
            if await asyncio.to_thread(_is_news, database, covering):
                publish(await database.writer.run(note_covers, covering))
        except Exception as error:  # noqa: BLE001 - a worker's attempt: the next look tries again
            _log.error("returning.failed", error=type(error).__name__)
        await asyncio.sleep(look_s)


def _is_due(database: Database, now_ms: int) -> bool:
    with database.read() as connection:
        return is_due(connection, now_ms)


def _leavers_due(database: Database, now_ms: int) -> bool:
    with database.read() as connection:
        return are_due(connection, now_ms)


def _is_news(database: Database, covering: Covering) -> bool:
    with database.read() as connection:
        return has_changed(connection, covering)
