"""Many small calls as few: what is asked while earlier calls are under way goes to a worker together.

A call costs more than most of what it is made for. Nobody waits for company: without a call under way one leaves at
once, so that only who comes in a crowd travels in one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from maild.confinement.pool import Pool
from maild.confinement.worker import ConfinementError


class Batches:
    """Calls of `target`, which takes any number of contents and returns a list of as many answers."""

    def __init__(self, pool: Pool, target: str, *, most: int = 16, most_bytes: int = 1_000_000, calls: int = 2) -> None:
        """Have at most `calls` under way, of at most `most` contents and `most_bytes` octets each."""
        self._pool = pool
        self._target = target
        self._most = most
        self._most_bytes = most_bytes
        self._free = calls
        self._waiting: deque[tuple[bytes, asyncio.Future[Any]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, content: bytes) -> Any:
        """Return the answer about one content.

        Raises:
            ConfinementError: there is none; of a call that failed, each content was asked about once more alone.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((content, answer))
        self._go_on()
        return await answer

    def _go_on(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            call = asyncio.create_task(self._call(self._take()))
            self._under_way.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._under_way.discard(call)
        self._free += 1
        self._go_on()

    def _take(self) -> list[tuple[bytes, asyncio.Future[Any]]]:
        taken: list[tuple[bytes, asyncio.Future[Any]]] = []
        octets = 0
        while self._waiting and len(taken) < self._most:
            octets += len(self._waiting[0][0])
            if taken and octets > self._most_bytes:
                break
            taken.append(self._waiting.popleft())
        return [(content, answer) for content, answer in taken if not answer.done()]

    async def _call(self, taken: list[tuple[bytes, asyncio.Future[Any]]]) -> None:
        try:
            found = await self._pool.run(self._target, *[content for content, _ in taken]) if taken else []
        except ConfinementError as error:
            if len(taken) == 1:
                _fail(taken[0][1], error)
                return
            # One of them is poison; alone it harms nobody else.
            for each in taken:
                await self._call([each])
        except BaseException as error:
            for _, answer in taken:
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, answer), value in zip(taken, found, strict=True):
                if not answer.done():
                    answer.set_result(value)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        if isinstance(error, asyncio.CancelledError):
            answer.cancel()
        else:
            answer.set_exception(error)
