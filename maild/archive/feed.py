"""Who is told when an inbox changes: the live pages of this process.

A subscriber that does not keep up loses changes, never memory: it is told to look anew (`None` in its queue).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_MAX_BEHIND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A conversation whose entries in these teams' inboxes are not what they were."""

    conversation_id: int
    teams: frozenset[str]


class Feed:
    """Hands changes to subscribers. Used from the event loop only."""

    def __init__(self) -> None:
        """Start without subscribers."""
        self._queues: set[asyncio.Queue[Change | None]] = set()

    def publish(self, change: Change) -> None:
        """Tell every subscriber."""
        for queue in self._queues:
            if queue.qsize() < _MAX_BEHIND:
                queue.put_nowait(change)
            elif queue.qsize() == _MAX_BEHIND:
                queue.put_nowait(None)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Change | None]]:
        """Lend a queue of changes from now on."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
