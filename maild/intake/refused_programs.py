"""Refused sign-ins, for the audit log: counted, and written in bulk.

A program with an old password tries all day; one record for each try would bury the others. Of logins that nobody has
nothing is kept: what is typed there by mistake may be a password.

Security: nothing is written beside the answer. The time that it takes would tell which logins there are.
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
    """Counts refusals by login, of accounts that exist, and by client. Used in one event loop."""

    def __init__(
        self, database: Database, now_ms: Callable[[], int], *, what: str = "mail program",
        together_s: float = _TOGETHER_S,
    ) -> None:  # fmt: skip
        """Begin with none; what comes within `together_s` of the first is written together."""
        self._database = database
        self._now_ms = now_ms
        self._what = what
        self._together_s = together_s
        self._counted: Counter[tuple[str, str]] = Counter()
        self._since_ms = 0
        self._writing: asyncio.Task[None] | None = None

    def add(self, login: str, client: str = "") -> None:
        """Count one; "" is a login that nobody has: it costs the same, and is not counted."""
        if not self._counted:
            self._since_ms = self._now_ms()
        if login:
            self._counted[login, client] += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_later(), name=f"refused: {self._what}")

    async def _write_later(self) -> None:
        await asyncio.sleep(self._together_s)
        await self.write()

    async def write(self, login: str | None = None) -> None:
        """Write down what was counted, of one login or of all."""
        counted = {key: times for key, times in self._counted.items() if login in {None, key[0]}}
        at_ms, since_ms = self._now_ms(), self._since_ms
        for key in counted:
            del self._counted[key]
        for (about, client), times in sorted(counted.items()):
            where = {"client": client} if client else {}
            details = {"what": self._what, "since_ms": since_ms, "times": times, **where}
            done = Record(at_ms=at_ms, actor="", act=Act.REFUSED, about=about, details=details)
            try:
                await self._database.writer.run(note_acts, done)
            except MaildError as error:
                _log.error("audit.unrecorded", error=type(error).__name__)
