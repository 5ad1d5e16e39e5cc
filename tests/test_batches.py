from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from maild.confinement import Batches, ConfinementError, Pool

SPEAK = "tests.confined:lengths"


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(1, preload=("tests.confined",))
    yield pool
    await pool.close()


async def test_what_comes_in_a_crowd_travels_together(pool: Pool) -> None:
    batches = Batches(pool, SPEAK, most=10, calls=1)
    found = await asyncio.gather(*[batches.run(b"x" * n) for n in range(25)])
    assert [length for length, _ in found] == list(range(25))
    # The first leaves at once; of those that wait for it, as many as may go together.
    assert sorted(company for _, company in found) == [1, *[4] * 4, *[10] * 20]


async def test_a_heap_of_octets_is_no_company(pool: Pool) -> None:
    batches = Batches(pool, SPEAK, most_bytes=100, calls=1)
    found = await asyncio.gather(*[batches.run(b"x" * 60) for _ in range(4)])
    assert [company for _, company in found] == [1] * 4


async def test_poison_harms_nobody_else(pool: Pool) -> None:
    batches = Batches(pool, SPEAK, calls=1)
    asked = [batches.run(content) for content in (b"a", b"die", b"bc", b"die", b"def")]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [each[0] if isinstance(each, tuple) else type(each) for each in found] == [
        1, ConfinementError, 2, ConfinementError, 3
    ]  # fmt: skip


async def test_who_is_gone_is_not_asked_about(pool: Pool) -> None:
    batches = Batches(pool, SPEAK, calls=1)
    first, gone, last = (asyncio.create_task(batches.run(content)) for content in (b"a", b"bb", b"ccc"))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await first)[0] == 1
    assert (await last) == (3, 1)
