from __future__ import annotations

import asyncio

from maild.rounds import Rounds


async def test_a_round_that_fails_is_told_and_who_wakes_during_one_is_heard() -> None:
    rounds, looks, failures = Rounds(3_600), list[None](), list[str]()
    done = asyncio.Event()

    async def look() -> None:
        looks.append(None)
        if len(looks) == 1:
            rounds.wake()
            raise ValueError
        done.set()

    running = asyncio.create_task(rounds.run(look, lambda error: failures.append(type(error).__name__)))
    async with asyncio.timeout(20):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (len(looks), failures) == (2, ["ValueError"])
