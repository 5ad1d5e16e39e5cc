from __future__ import annotations

import asyncio

import pytest

from maild.errors import TemporaryError
from maild.rounds import Rounds, one_by_one


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
    async with asyncio.timeout(60):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (len(looks), failures) == (2, ["ValueError"])


async def test_what_fails_for_one_keeps_no_other_waiting_and_what_all_need_ends_the_round() -> None:
    done, failed = list[str](), list[tuple[str, str]]()

    async def work(item: str) -> None:
        if item == "broken":
            raise ValueError
        if item == "disk":
            raise TemporaryError("full")
        done.append(item)

    await one_by_one(["a", "broken", "b"], work, lambda item, error: failed.append((item, type(error).__name__)))
    assert (done, failed) == (["a", "b"], [("broken", "ValueError")])
    with pytest.raises(TemporaryError):
        await one_by_one(["disk", "c"], work, lambda item, _error: failed.append((item, "")))
    assert (done, len(failed)) == (["a", "b"], 1)
