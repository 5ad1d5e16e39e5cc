"""Refused sign-ins of mail programs, for the audit log: counted, and written in bulk.

A program with an old password tries all day; one record for each try would bury the others. Of logins that nobody has
nothing is kept: what is typed there by mistake may be a password.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from maild.archive.audit import Record, note_acts
from maild.archive.database import Database
from maild.errors import MaildError
from maild.mail.acts import Act

_TOGETHER_S = 600.0
_log = structlog.get_logger()


class Refusals:
    """Counts refusals by login, of accounts that exist. Used in one event loop."""

    def __init__(self, database: Database, now_ms: Callable[[], int], *, together_s: float = _TOGETHER_S) -> None:
        """Begin with none; what comes within `together_s` of the first is written together."""
        self._database = database
        self._now_ms = now_ms
        self._together_s = together_s
        self._counted: Counter[str] = Counter()
        self._since_ms = 0
        self._writing: asyncio.Task[None] | None = None

    def add(self, login: str) -> None:
        """Count one."""
        if not self._counted:
            self._since_ms = self._now_ms()
        self._counted[login] += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_later(), name="refused mail programs")

    async def _write_later(self) -> None:
        await asyncio.sleep(self._together_s)
        await self.write()

    async def write(self) -> None:
        """Write down what was counted."""
        counted, self._counted = self._counted, Counter()
        details = {"what": "mail program", "since_ms": self._since_ms}
        at_ms = self._now_ms()
        for login, times in sorted(counted.items()):
            done = Record(at_ms=at_ms, actor="", act=Act.REFUSED, about=login, details={**details, "times": times})
            try:
                await self._database.writer.run(note_acts, done)
            except MaildError as error:
                _log.error("audit.unrecorded", error=type(error).__name__)
