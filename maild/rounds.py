"""Rounds: work that is looked for as soon as somebody says so, and every so often besides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from maild.errors import TemporaryError

T = TypeVar("T")


class Rounds:
    """Says when to look. What fails is looked at again in the next round."""

    def __init__(self, pause_s: float) -> None:
        """Look every `pause_s` at least."""
        self._pause_s = pause_s
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something to do; from the event loop."""
        self._awake.set()

    async def run(self, look: Callable[[], Awaitable[None]], failed: Callable[[Exception], None]) -> None:
        """Look until cancelled; `failed` hears of what a round raised."""
        while True:
            self._awake.clear()  # before the look: who wakes during it is heard
            try:
                await look()
            except Exception as error:  # noqa: BLE001 - a worker's attempt: it is made again
                failed(error)
            try:
                async with asyncio.timeout(self._pause_s):
                    await self._awake.wait()
            except TimeoutError:
                continue


async def one_by_one(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], failed: Callable[[T, Exception], None]
) -> None:
    """Do work for each; `failed` hears of those for which it failed, and the others are not kept waiting.

    Raises:
        TemporaryError: something is wanting that all of them need.
    """
    for item in items:
        try:
            await work(item)
        except TemporaryError:
            raise
        except Exception as error:  # noqa: BLE001 - a worker's attempt: others go on, it is made again
            failed(item, error)
