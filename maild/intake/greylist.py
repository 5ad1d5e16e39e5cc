"""Greylisting as the store remembers it: what `maild.screening` asks of its `Patience`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from maild.archive.database import Database
from maild.archive.greylist import Meeting, Pruning, has_passed, is_written_to, meet, prune
from maild.mail.envelope import Envelope
from maild.screening.greylist import keys_of

_PRUNE_EVERY = 500  # meetings that are written down


class Greylist:
    """Knows who has come again."""

    def __init__(self, database: Database, *, delay_s: float, window_s: float, now_ms: Callable[[], int]) -> None:
        """Remember in `database`; a stranger may come in after `delay_s`, and within `window_s`."""
        self._database = database
        self._delay_ms = int(delay_s * 1000)
        self._window_ms = int(max(window_s, 2 * delay_s) * 1000)
        self._now_ms = now_ms
        self._met = 0

    async def wait_ms(self, envelope: Envelope) -> int:
        """Return how long the peer has to wait still; 0: it may come in. Raises TemporaryError."""
        keys = keys_of(envelope)
        if not keys:
            return 0
        sender = None if envelope.reverse_path is None else envelope.reverse_path.key
        meeting = Meeting(keys=keys, now_ms=self._now_ms(), delay_ms=self._delay_ms, window_ms=self._window_ms)
        if await asyncio.to_thread(self._is_known, meeting, sender):
            return 0
        # Invariant: the commit is waited for, or a peer that was told to come again would be a stranger once more.
        wait = await self._database.writer.run(meet, meeting)
        self._met += 1
        if self._met % _PRUNE_EVERY == 0:
            await self._database.writer.run(prune, Pruning(now_ms=meeting.now_ms, window_ms=self._window_ms))
        return wait

    def _is_known(self, meeting: Meeting, sender: str | None) -> bool:
        with self._database.read() as connection:
            return has_passed(connection, meeting) or (sender is not None and is_written_to(connection, sender))
