"""The word to systemd that the daemon is alive."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from maild.app.notify import notify
from maild.archive.database import Database
from maild.errors import MaildError


async def watchdog(database: Database, interval_s: float) -> None:
    """Say so every `interval_s`, for ever.

    Invariant: a daemon whose writer hangs is not alive, however well its loop turns. One whose storage fails is: it
    answers 451, and looks again.
    """
    while True:
        with suppress(MaildError):  # it has answered
            await database.writer.run(_nothing, None)
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)


def _nothing(_connection: object, arguments: list[None]) -> list[None]:
    return arguments
