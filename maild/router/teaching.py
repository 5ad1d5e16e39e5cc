"""The teacher: hands lessons that wait to the spam filter, one after the other, until each has been learnt.

What staff said stays in the database until then; a filter that is away is asked again, less and less often. A letter on
which the filter fails keeps no other from being taught.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import structlog

from maild.archive import content
from maild.archive.compression import DamagedError
from maild.archive.database import Database
from maild.archive.lessons import Learnt, Lesson, learnt, waiting_lessons
from maild.errors import NotFoundError
from maild.mail.ids import format_id
from maild.screening.asked import UnavailableError
from maild.screening.rspamd import DeclinedError, Rspamd

_LOOK_S = 2.0
_LONGEST_PAUSE_S = 600.0
_AT_ONCE = 50
_MOST_FAILURES = 3  # in a row: then it is the filter that is away
_MOST_BYTES = 10_000_000  # of a larger mail the filter learns nothing: it is an attachment
_log = structlog.get_logger()


class Teacher:
    """Teaches one rspamd."""

    def __init__(
        self, database: Database, rspamd: Rspamd, now_ms: Callable[[], int], *, look_s: float = _LOOK_S
    ) -> None:
        """Take lessons from `database`; look for new ones every `look_s`."""
        self._database = database
        self._rspamd = rspamd
        self._now_ms = now_ms
        self._look_s = look_s
        self.taught_count = 0

    async def run(self) -> None:
        """Teach until cancelled."""
        pause_s = self._look_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._teach_all()
                pause_s = self._look_s
            except UnavailableError as error:
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                _log.warning("lessons.failed", error=error.reason, seconds=round(pause_s))
            except Exception as error:  # noqa: BLE001 - a worker's attempt: the lessons stay, and are tried again
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                _log.warning("lessons.failed", error=type(error).__name__, seconds=round(pause_s))

    async def _teach_all(self) -> None:
        """Teach what waits. Raises UnavailableError when something is left for another time."""
        failed: UnavailableError | None = None
        left = set[int]()
        while lessons := await asyncio.to_thread(self._waiting, left):
            random.shuffle(lessons)  # letters on which the filter fails would always come first
            failures = 0
            for lesson in lessons:
                try:
                    await self._teach(lesson)
                    failures = 0
                except UnavailableError as error:
                    failed, failures = error, failures + 1
                    left.add(lesson.message_id)
                    if failures == _MOST_FAILURES:
                        raise
        if failed is not None:
            raise failed

    async def _teach(self, lesson: Lesson) -> None:
        octets = await asyncio.to_thread(self._octets, lesson)
        outcome = "skipped"
        if octets is not None:
            try:
                await self._rspamd.teach(octets, spam=lesson.spam)
                outcome = "learnt"
                self.taught_count += 1
            except DeclinedError:
                outcome = "declined"
        done = Learnt(lesson.message_id, lesson.made_ms, self._now_ms())
        await self._database.writer.run(learnt, done)
        _log.info("lessons.taught", id=format_id(lesson.message_id), spam=lesson.spam, outcome=outcome)

    def _waiting(self, left: set[int]) -> list[Lesson]:
        with self._database.read() as connection:
            found = waiting_lessons(connection, _AT_ONCE + len(left))
        return [lesson for lesson in found if lesson.message_id not in left]

    def _octets(self, lesson: Lesson) -> _Letter | None:
        if lesson.size > _MOST_BYTES:
            return None
        try:
            with self._database.read(mapped=False) as connection:
                return _Letter(content.read(connection, lesson.digest))
        except (NotFoundError, DamagedError):
            return None


class _Letter:
    """The octets of one letter."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.size = len(octets)

    def pieces(self) -> Iterator[bytes]:
        view = memoryview(self._octets)
        return (bytes(view[at : at + 65_536]) for at in range(0, len(view), 65_536))
