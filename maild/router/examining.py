"""Who sent a message, found out before it is read for the rules: signatures in a worker, keys and policies in the DNS.

Promises: mail of others never waits for somebody's slow DNS. A batch waits a moment; those of it about whom nobody has
answered by then go on alone, and come back when they are known, or when the limit is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from maild.authentication.examiner import Dialogue, Examiner
from maild.authentication.reading import UNREADABLE, Read
from maild.confinement import ConfinementError, Pool, Streamed, StreamError
from maild.mail.evidence import Evidence

_READ = "maild.authentication.reading:read_senders"


class Unexamined(NamedTuple):
    """A message of which nobody knows yet who sent it; `read` is there when the door had reason to read it."""

    dialogue: Dialogue
    read: Read | None = None


class Examining:
    """Begins examinations; whoever asked waits as long as he likes."""

    def __init__(self, pool: Pool, examiner: Examiner, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._examiner = examiner
        self._now_ms = now_ms
        self._running: set[asyncio.Task[Evidence]] = set()

    async def begin(
        self, asked: Sequence[tuple[Unexamined, bytes | Streamed]], *, bulk: bool
    ) -> list[asyncio.Task[Evidence]]:
        """Return the examinations of messages with their octets, begun, in the same order."""
        unread = [octets for message, octets in asked if message.read is None]
        reads = iter(await self._read(unread, bulk=bulk))
        return [self._start(message.dialogue, message.read or next(reads)) for message, _ in asked]

    def cancel(self) -> None:
        """Give up what is under way: the work items are where they were."""
        for task in self._running:
            task.cancel()

    def _start(self, dialogue: Dialogue, read: Read) -> asyncio.Task[Evidence]:
        examination = self._examiner.examine(dialogue, read, self._now_ms(), self._examiner.limit())
        task = asyncio.create_task(examination, name="examination")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _read(self, contents: list[bytes | Streamed], *, bulk: bool) -> list[Read]:
        if not contents:
            return []
        try:
            found: list[Read] = await self._pool.run(_READ, *contents, bulk=bulk)
        except (ConfinementError, StreamError):
            if len(contents) == 1:
                return [UNREADABLE]
            # One of them is poison; alone it harms nobody else.
            return [(await self._read([content], bulk=True))[0] for content in contents]
        return found
