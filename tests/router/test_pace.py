from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from maild.router import pace
from maild.router.pace import Gathering
from maild.router.reading import Order


@dataclass(frozen=True)
class Letter:
    order: Order


def letter(size: int = 1) -> Letter:
    order = Order(
        message_id=1, direction="in", received_ms=0, reverse_path="", addressed=(), reference_bits=0, size=size
    )
    return Letter(order)


@pytest.fixture
async def gathering(monkeypatch: pytest.MonkeyPatch) -> Gathering[Letter]:
    """One whose next batch is hours away, for its first has just left."""
    monkeypatch.setattr(pace, "APART_S", 36_000.0)
    gathering: Gathering[Letter] = Gathering()
    gathering.add(letter())
    await asyncio.wait_for(gathering.keep_pace(), 30)  # who comes alone leaves at once
    assert len(gathering.take()) == 1
    return gathering


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("sizes", [[1] * pace.BATCH, [pace.BATCH_BYTES // 2] * 2])
async def test_a_batch_leaves_when_it_is_full(gathering: Gathering[Letter], sizes: list[int]) -> None:
    *first, last = sizes
    for size in first:
        gathering.add(letter(size))
    leaving = asyncio.create_task(gathering.keep_pace())
    await _turns()
    assert not leaving.done()
    gathering.add(letter(last))
    await asyncio.wait_for(leaving, 30)
    assert [each.order.size for each in gathering.take()] == sizes


async def test_a_batch_that_is_full_already_does_not_wait(gathering: Gathering[Letter]) -> None:
    for _ in range(2 * pace.BATCH):
        gathering.add(letter())
    for left in (pace.BATCH, 0):
        await asyncio.wait_for(gathering.keep_pace(), 30)
        assert len(gathering.take()) == pace.BATCH
        assert len(gathering) == left


async def test_a_batch_that_is_hurried_leaves_as_it_is(gathering: Gathering[Letter]) -> None:
    gathering.add(letter())
    leaving = asyncio.create_task(gathering.keep_pace())
    await _turns()
    gathering.hurry()
    await asyncio.wait_for(leaving, 30)
    assert len(gathering.take()) == 1


async def test_octets_that_have_left_fill_no_batch(gathering: Gathering[Letter]) -> None:
    for size in (pace.BATCH_BYTES - 1, pace.BATCH_BYTES - 1, 5):
        gathering.add(letter(size))
    assert [each.order.size for each in gathering.take()] == [pace.BATCH_BYTES - 1]
    assert len(gathering.take()) == 1
    leaving = asyncio.create_task(gathering.keep_pace())
    await _turns()
    assert not leaving.done()
    gathering.hurry()
    await leaving
