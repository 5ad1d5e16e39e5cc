"""One timer for all waits on a connection."""

from __future__ import annotations

import asyncio

from maild.delivery.patience import Patience


async def test_a_wait_ends_when_its_time_is_over() -> None:
    over = asyncio.Event()
    patience = Patience(over.set)
    with patience.within(0.01):
        await asyncio.wait_for(over.wait(), 60)
    assert patience.ended


async def test_a_short_wait_after_a_long_one_ends_in_its_own_time() -> None:
    over = asyncio.Event()
    patience = Patience(over.set)
    with patience.within(600):
        pass
    with patience.within(0.01):
        await asyncio.wait_for(over.wait(), 60)
    assert patience.ended


async def test_a_long_wait_after_a_short_one_has_all_its_time() -> None:
    over = asyncio.Event()
    patience = Patience(over.set)
    loop = asyncio.get_running_loop()
    with patience.within(0.01):
        pass
    began_s = loop.time()
    with patience.within(0.2):
        await asyncio.wait_for(over.wait(), 60)
    assert loop.time() - began_s >= 0.2


async def test_nothing_ends_between_waits_or_after_the_close() -> None:
    over = asyncio.Event()
    patience, other = Patience(over.set), Patience(over.set)
    with patience.within(0.01):
        pass
    with other.within(0.01):
        other.close()
        later = asyncio.Event()
        following = Patience(later.set)
        with following.within(0.05):
            await asyncio.wait_for(later.wait(), 60)
    assert not over.is_set()
    assert not patience.ended
