"""Asking a worker process to read messages, with the rules it may lack and what only the archive can tell it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Sequence

from maild.archive.as_read import Question
from maild.archive.database import Database
from maild.archive.replies import replies
from maild.confinement import Pool, Streamed
from maild.router.reading import Order, Reading
from maild.rules.in_worker import RulesWanted
from maild.rules.model import Ruleset

_READ = "maild.router.reading:read_batch"


class Asking:
    """Has batches read under the rules that serve."""

    def __init__(self, pool: Pool, database: Database, unread: Callable[[Ruleset], frozenset[str]]) -> None:
        """Ask the workers of `pool`; `unread` is that of the router."""
        self._pool = pool
        self._database = database
        self._unread = unread
        self._pickled: tuple[str, bytes] = ("", b"")

    async def ask(
        self, ruleset: Ruleset, batch: Sequence[tuple[Order, bytes | Streamed | None]], *, bulk: bool
    ) -> list[Reading]:
        """Return what is read of messages, in their order.

        Raises:
            ConfinementError: the worker gave no answer for one of them.
            DamagedError, NotFoundError, StreamError: a message that is read as it goes cannot be.
        """
        if not batch:
            return []
        what = (self._unread(ruleset), [order for order, _ in batch], *[octets for _, octets in batch])
        readings = await self._pool.run(_READ, ruleset.version, None, *what, bulk=bulk)
        while isinstance(readings, RulesWanted):
            if self._pickled[0] != ruleset.version:
                self._pickled = (ruleset.version, pickle.dumps(ruleset, protocol=5))
            readings = await self._pool.run(_READ, ruleset.version, self._pickled[1], *what, bulk=bulk)
        answers: list[Reading | Question] = readings
        questions = [answer for answer in answers if isinstance(answer, Question)]
        if questions:
            again = iter(await self._ask_again(ruleset, batch, questions, bulk=bulk))
            return [next(again) if isinstance(answer, Question) else answer for answer in answers]
        return [answer for answer in answers if isinstance(answer, Reading)]

    async def _ask_again(
        self,
        ruleset: Ruleset,
        batch: Sequence[tuple[Order, bytes | Streamed | None]],
        questions: list[Question],
        *,
        bulk: bool,
    ) -> list[Reading]:
        """Tell the worker what it could not know: which messages belong to a conversation we have."""
        told = await asyncio.to_thread(self._look_up, questions)
        asking = [
            (order._replace(reply=told[order.message_id]), octets)
            for order, octets in batch
            if order.message_id in told
        ]
        return await self.ask(ruleset, asking, bulk=bulk)

    def _look_up(self, questions: list[Question]) -> dict[int, bool]:
        with self._database.read() as connection:
            return replies(connection, questions)
