"""The task that has copies for members made, as soon as letters are filed."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from maild.archive.database import Database
from maild.delivery.queue.copies import TakeUpCopies, take_up_copies
from maild.rounds import Rounds
from maild.rules.model import Ruleset

_POLL_S = 10.0
_log = structlog.get_logger()


def _failed(error: Exception) -> None:
    _log.error("copy.failed", error=type(error).__name__)


class Copying:
    """Looks for duties of the kind `member-copy`; `on_made` hears that there is something to be sent."""

    def __init__(
        self, *, database: Database, rules: Callable[[], Ruleset], lifetime_ms: int, now_ms: Callable[[], int],
        on_made: Callable[[], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._rules = rules
        self._lifetime_ms = lifetime_ms
        self._now_ms = now_ms
        self._on_made = on_made
        self._rounds = Rounds(_POLL_S)

    def wake(self) -> None:
        """Say that something was filed; from the event loop."""
        self._rounds.wake()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._rounds.run(self.once, _failed)

    async def once(self) -> None:
        """Look at all that waits."""
        after: int | None = 0
        while after is not None:
            asked = TakeUpCopies(
                now_ms=self._now_ms(), lifetime_ms=self._lifetime_ms, rules=self._rules, after=after
            )  # fmt: skip
            made, after = await self._database.writer.run(take_up_copies, asked)
            if made:
                _log.info("copy.made", copies=made)
                self._on_made()
