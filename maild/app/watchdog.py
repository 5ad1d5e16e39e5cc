"""The word to systemd that the daemon is alive."""

from __future__ import annotations

import asyncio

from maild.app.notify import notify, watchdog_interval_s
from maild.archive.database import Database


async def watchdog(database: Database) -> None:
    """Say so in the interval that systemd asks for; return when it asks for nothing.

    Invariant: a daemon whose writer hangs is not alive, however well its loop turns.
    """
    interval_s = watchdog_interval_s()
    while interval_s is not None:
        await database.writer.run(_nothing, None)
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)


def _nothing(_connection: object, arguments: list[None]) -> list[None]:
    return arguments
