"""Reads the reports about our domains out of mail that was filed, behind everything else.

The router says which messages look like one as it files them. What was said and not read when a daemon ended is found
again at the start of the next; `maild reports --read` reads what was there before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import structlog

from maild.archive.compression import DamagedError
from maild.archive.content import chunks, read
from maild.archive.database import Database
from maild.archive.reports import Arrived, Candidate, candidate, candidates, newest, record
from maild.authentication.noted import standing_noted
from maild.authentication.standing import StandingKind
from maild.confinement import ConfinementError, Pool, Streamed, StreamError
from maild.errors import NotFoundError
from maild.mail.ids import format_id
from maild.mail.reports import MAIL_BYTES, Reports
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook

_READ = "maild.mail.reports:reports_in"
_LARGE_BYTES = 1_000_000  # from here on a message goes to the worker as it is read
_MOST_WAITING = 10_000  # ids; what is beyond is found by `maild reports --read`
_BACK_MS = 30 * 86_400_000  # how far a daemon looks back at its start
_AHEAD_MS = 2 * 86_400_000  # a report of the future is a wrong clock, or a lie that would stay the newest
_log = structlog.get_logger()


class ReportReader:
    """Reads one message after the other. Used from one event loop."""

    def __init__(self, *, database: Database, rulebook: Rulebook, pool: Pool, now_ms: Callable[[], int]) -> None:
        """Prepare; `now_ms` is the wall clock."""
        self._database = database
        self._rulebook = rulebook
        self._pool = pool
        self._now_ms = now_ms
        self._waiting: deque[int] = deque()
        self._wake = asyncio.Event()

    def offer(self, message_id: int) -> None:
        """Hear of a filed message that looks like a report."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(message_id)
            self._wake.set()

    async def run(self) -> None:
        """Read what an earlier life has left, then what is offered; until it is cancelled."""
        try:
            self._waiting.extend(await asyncio.to_thread(self._left))
        except Exception as error:  # noqa: BLE001 - a worker's attempt: `maild reports --read` finds them
            _log.error("report.failed", id=None, error=type(error).__name__)
        while True:
            while self._waiting:
                await self.attempt(self._waiting.popleft())
            self._wake.clear()
            await self._wake.wait()

    async def attempt(self, message_id: int) -> int:
        """Read one message; return how many reports in it were new. Whatever goes wrong is said in the log."""
        try:
            return await self._read(message_id)
        except Exception as error:  # noqa: BLE001 - a worker's attempt: the letter itself is where it belongs
            _log.error("report.failed", id=format_id(message_id), error=type(error).__name__)
            return 0

    def _left(self) -> list[int]:
        with self._database.read() as connection:
            since_ms = self._now_ms() - _BACK_MS
            found = candidates(connection, since_ms=since_ms, largest_bytes=MAIL_BYTES, after=newest(connection))
        return found[:_MOST_WAITING]

    async def _read(self, message_id: int) -> int:
        found = await asyncio.to_thread(self._find, message_id)
        if found is None:
            return 0
        reports = await self._reports(found)
        if not any(reports):
            return 0
        rules = self._rulebook.current
        arrived = replace(about_us(reports, message_id, rules, self._now_ms()), sender=proven(found, rules))
        stored = await self._database.writer.run(record, arrived) if arrived.dmarc or arrived.tls else 0
        _log.info(
            "report.read",
            id=format_id(message_id),
            dmarc=len(arrived.dmarc),
            tls=len(arrived.tls),
            others=len(reports.dmarc) + len(reports.tls) - len(arrived.dmarc) - len(arrived.tls),
            stored=stored,
            problems=list(reports.problems),
        )
        return stored

    async def _reports(self, found: Candidate) -> Reports:
        try:
            octets: bytes | Streamed
            if found.size > _LARGE_BYTES:
                octets = Streamed(found.size, lambda: self._stream(found.digest))
            else:
                octets = await asyncio.to_thread(self._octets, found.digest)
            answer: Any = await self._pool.run(_READ, octets, bulk=True)
        except ConfinementError as error:
            return Reports(problems=(error.kind,))
        except (NotFoundError, DamagedError, StreamError):
            return Reports(problems=("missing",))
        return answer if isinstance(answer, Reports) else Reports(problems=("crash",))

    def _find(self, message_id: int) -> Candidate | None:
        with self._database.read() as connection:
            found = candidate(connection, message_id)
        return found if found is not None and found.size <= MAIL_BYTES else None

    def _octets(self, digest: bytes) -> bytes:
        with self._database.read() as connection:
            return read(connection, digest)

    def _stream(self, digest: bytes) -> Iterator[bytes]:
        with self._database.read(mapped=False) as connection:
            yield from chunks(connection, digest)


def about_us(reports: Reports, message_id: int, rules: Ruleset, now_ms: int) -> Arrived:
    """Return what of reports is about domains of ours, or names below them, and not of the future."""
    latest_ms = now_ms + _AHEAD_MS
    dmarc = (each for each in reports.dmarc if _ours(rules, each.domain) and each.end_ms <= latest_ms)
    tls = (
        each._replace(policies=tuple(policy for policy in each.policies if _ours(rules, policy.domain)))
        for each in reports.tls
        if each.end_ms <= latest_ms
    )
    return Arrived(message_id=message_id, dmarc=tuple(dmarc), tls=tuple(each for each in tls if each.policies))


def proven(found: Candidate, rules: Ruleset) -> str:
    """Return the domain that is proven of who sent a message; "" where none is."""
    standing = standing_noted(found.evidence, found.from_mail, rules.domains)
    return standing.domain if standing.kind is StandingKind.CONFIRMED else ""


def _ours(rules: Ruleset, domain: str) -> bool:
    labels = domain.split(".")
    return any(rules.serves(".".join(labels[start:])) for start in range(len(labels)))
