"""What the clock brings, also when maild did not run at that time.

What waits until a date opens when it has come, the accounts of those who leave close, and the log learns which teams
are covered by others since when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from maild.archive.database import Database
from maild.archive.handling import bring_back, is_due
from maild.archive.leaving import are_due, close_leavers
from maild.archive.team_cover import Covering, has_changed, note_covers
from maild.rounds import Rounds
from maild.rules.rulebook import Rulebook

A = TypeVar("A")
_LOOK_S = 15.0
_log = structlog.get_logger()


async def bring_back_in_time(
    database: Database, rulebook: Rulebook, publish: Callable[[frozenset[str]], None], now_ms: Callable[[], int]
) -> None:
    """Look until cancelled."""

    async def asked(question: Callable[[Connection, A], bool], argument: A) -> bool:
        """Ask before the writer is troubled: mostly there is nothing to do."""
        return await asyncio.to_thread(_answer, database, question, argument)

    async def look() -> None:
        if await asked(is_due, now_ms()):
            publish(await database.writer.run(bring_back, now_ms()))
        if await asked(are_due, now_ms()):
            await database.writer.run(close_leavers, now_ms())
        covering = Covering(rules=rulebook.current, at_ms=now_ms())
        if await asked(has_changed, covering):
            publish(await database.writer.run(note_covers, covering))

    await Rounds(_LOOK_S).run(look, _failed)


def _answer(database: Database, question: Callable[[Connection, A], bool], argument: A) -> bool:
    with database.read() as connection:
        return question(connection, argument)


def _failed(error: Exception) -> None:
    _log.error("returning.failed", error=type(error).__name__)
