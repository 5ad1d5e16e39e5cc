"""What is recorded of looking: readings, searches and refused sign-ins. No page waits for it.

It is handed to the writer before the answer is given and committed beside it. Where it cannot be stored, mail can be
read all the same, and the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

from maild.archive.audit import Record, note_acts
from maild.archive.queries import Conversation, Message
from maild.archive.readings import Reading, note_readings
from maild.mail.acts import Act
from maild.mail.local_time import day_start_ms
from maild.web.visit import Visit

_log = structlog.get_logger()


def remember_conversation(visit: Visit, talk: Conversation) -> None:
    """Record that the visitor has looked into a conversation."""
    _remember(visit, talk.id, (entry.team for entry in talk.entries))


def remember_message(visit: Visit, message: Message) -> None:
    """Record that the visitor has looked at a letter, by the conversation that it is part of."""
    _remember(visit, message.conversation_id, message.teams)


def _remember(visit: Visit, conversation_id: int, teams: Iterable[str]) -> None:
    reading = Reading(
        actor=visit.person.login,
        conversation_id=conversation_id,
        teams=tuple(sorted(teams)),
        at_ms=visit.now_ms,
        day_ms=day_start_ms(visit.today, visit.zone),
    )
    _watch(visit.services.database.writer.run(note_readings, reading))


def remember_search(visit: Visit, query: str) -> None:
    """Record what the visitor has searched for."""
    remember_act(visit, visit.acted(Act.SEARCHED, about=query))


def remember_act(visit: Visit, done: Record) -> None:
    """Record an act that changes nothing else."""
    _watch(visit.services.database.writer.run(note_acts, done))


def _watch(future: asyncio.Future[Any]) -> None:
    future.add_done_callback(_look)


def _look(future: asyncio.Future[Any]) -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None:
        _log.error("audit.unrecorded", error=type(error).__name__)
