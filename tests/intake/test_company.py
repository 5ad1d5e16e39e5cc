from __future__ import annotations

import asyncio

from maild.intake.company import Company


async def turns(company: Company) -> int:
    """Return how many turns of the event loop pass until one who comes now goes on."""
    waiting = asyncio.create_task(company.complete())
    count = 0
    while not waiting.done():
        await asyncio.sleep(0)
        count += 1
    return count


async def test_who_comes_alone_goes_on_after_a_few_turns() -> None:
    assert await turns(Company()) < 6


async def test_all_who_come_in_one_turn_go_on_before_the_first_has_done_more() -> None:
    company = Company()
    order: list[str] = []

    async def come(number: int) -> None:
        order.append(f"come {number}")
        await company.complete()
        order.append(f"gone {number}")

    await asyncio.gather(*[come(number) for number in range(4)])
    assert order == [f"come {n}" for n in range(4)] + [f"gone {n}" for n in range(4)]


async def test_who_comes_a_turn_later_is_waited_for() -> None:
    company = Company()
    order: list[str] = []

    async def come(later: int) -> None:
        for _ in range(later):
            await asyncio.sleep(0)
        order.append("come")
        await company.complete()
        order.append("gone")

    await asyncio.gather(come(0), come(1))
    assert order == ["come", "come", "gone", "gone"]


async def test_an_endless_crowd_keeps_nobody_for_long() -> None:
    company = Company()
    first = asyncio.create_task(company.complete())
    crowd = []
    async with asyncio.timeout(60):
        while not first.done():
            crowd.append(asyncio.create_task(company.complete()))
            await asyncio.sleep(0)
        await asyncio.gather(*crowd)


async def test_who_gives_up_waiting_keeps_nobody_else() -> None:
    company = Company()
    first, second = (asyncio.create_task(company.complete()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert (first.cancelled(), second.exception()) == (True, None)
    assert await turns(company) < 6
