"""The worker as it runs: nobody waits for a dead host, no exception loses mail, it stops cleanly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maild.archive.database import Database
from maild.delivery.courier import Attempt, Load
from maild.delivery.deliveries import MAILDIR
from maild.delivery.outcome import Outcome, Result
from maild.delivery.worker import Limits
from maild.dns.answer import Kind
from tests.authentication.zone import Zone
from tests.delivery.post import DAY_MS, LETTER, THERE, Post, leases, out
from tests.delivery.sink import Sink

DEAD = "dead.example"
ZONE = Zone({
    THERE: {Kind.A: ["127.0.0.1"]},
    DEAD: {Kind.A: ["127.0.0.2"]},
    **{f"d{n}.example": {Kind.A: ["127.0.0.1"]} for n in range(30)},
})  # fmt: skip


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


class Hanging:
    """A courier whose next hop never answers for one destination."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled = 0

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        self.begun.append(load.next_hop)
        if load.next_hop == DEAD:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        assert await attempt.begin(load.deliveries, "mx", "")
        return load.all(Outcome(result=Result.DELIVERED, reply="250 ok", host="mx", stage="end"))

    def close(self) -> None: ...


async def test_a_dead_host_keeps_nobody_waiting_and_a_stop_ends_it(sqlite_database: Database) -> None:
    courier = Hanging()
    for number in range(10):
        out(sqlite_database, (f"a@{DEAD}",), number=number)
    last = [out(sqlite_database, (f"a@d{n}.example",), number=100 + n) for n in range(30)]
    limits = Limits(connections=5, per_hop=2, drain_s=0.01)
    post = Post(sqlite_database, couriers={"smtp": courier}, resolver=ZONE, limits=limits)
    running = asyncio.create_task(post.worker.run())
    await until(lambda: all(post.states(message_id) == ["delivered"] for message_id in last))
    assert courier.begun.count(DEAD) == 2
    woken = out(sqlite_database, (f"b@{THERE}",), number=999)
    post.worker.wake()
    await until(lambda: post.states(woken) == ["delivered"])
    post.worker.stop()
    await running
    assert courier.cancelled == 2
    assert leases(sqlite_database) == 2


async def test_a_stop_waits_for_what_is_in_hand(sqlite_database: Database) -> None:
    message_id = out(sqlite_database)
    async with Sink(at="dot", fault="slow", pace_s=0.02) as sink:
        post = Post(sqlite_database, port=sink.port)
        running = asyncio.create_task(post.worker.run())
        await until(lambda: "DATA" in sink.said)
        post.worker.stop()
        await running
    assert post.states(message_id) == ["delivered"]


async def test_a_host_that_is_down_is_left_alone_for_a_while(sqlite_database: Database) -> None:
    first = out(sqlite_database, number=1)
    async with Sink(fault="421", at="banner") as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
        second = out(sqlite_database, number=2)
        await post.turn()
        assert sink.connections == 1
        (put_off,) = post.deliveries(second)
        assert (put_off.state, put_off.attempts) == ("deferred", 1)
        assert put_off.outcome == "not tried, because shortly before: 421 4.3.2 closing"
        sink.heal()
        post.later(DAY_MS)
        await post.turn()
    assert (post.states(first), post.states(second)) == (["delivered"], ["delivered"])


@pytest.mark.parametrize(("after_begin", "result"), [(False, "deferred"), (True, "unknown")])
@pytest.mark.parametrize("failure", [RuntimeError("x"), OSError("x"), TimeoutError(), KeyError("x")])
async def test_an_exception_is_never_a_lost_delivery(
    sqlite_database: Database, failure: Exception, result: str, *, after_begin: bool
) -> None:
    class Broken:
        async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
            if after_begin:
                await attempt.begin(load.deliveries, "mx", "")
            raise failure

        def close(self) -> None: ...

    message_id = out(sqlite_database)
    post = Post(sqlite_database, couriers={"smtp": Broken()})
    await post.turn()
    (found,) = post.deliveries(message_id)
    assert (found.state, found.doubtful, found.attempts) == ("deferred", after_begin, 1)
    assert post.tries(found.id)[0].outcome == result


async def test_a_courier_that_says_nothing_of_a_recipient_is_no_success(sqlite_database: Database) -> None:
    class Silent:
        async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
            return {}

        def close(self) -> None: ...

    message_id = out(sqlite_database)
    post = Post(sqlite_database, couriers={"smtp": Silent()})
    await post.turn()
    assert post.states(message_id) == ["deferred"]


async def test_a_session_that_takes_too_long_is_ended(sqlite_database: Database) -> None:
    message_id = out(sqlite_database, (f"a@{DEAD}",))
    post = Post(sqlite_database, couriers={"smtp": Hanging()}, limits=Limits(session_s=0.05))
    await post.turn()
    (found,) = post.deliveries(message_id)
    assert (found.state, found.outcome) == ("deferred", "it took too long")


async def test_damaged_content_is_held_and_not_sent(sqlite_database: Database) -> None:
    from sqlalchemy import Connection, update

    from maild.archive.schema import content

    message_id = out(sqlite_database)

    def spoil(connection: Connection, arguments: list[None]) -> list[None]:
        connection.execute(update(content).values(octets=b"rotten"))
        return arguments

    sqlite_database.writer.submit(spoil, None).result()
    async with Sink() as sink:
        post = Post(sqlite_database, port=sink.port)
        await post.turn()
        assert (post.states(message_id), sink.connections) == (["held"], 0)


async def test_a_maildir_has_one_copy_however_often_it_is_written(sqlite_database: Database, tmp_path: Path) -> None:
    message_id = out(sqlite_database, kind=MAILDIR, next_hop=str(tmp_path / "m"))
    (tmp_path / "m").mkdir()
    post = Post(sqlite_database)
    (claimed,) = post.deliveries(message_id)
    await post.turn()
    (written,) = (tmp_path / "m" / "new").iterdir()
    assert written.read_bytes() == LETTER
    assert (written.stat().st_mode & 0o777, list((tmp_path / "m" / "tmp").iterdir())) == (0o600, [])

    async def again() -> None:
        def forget(connection: object, arguments: list[None]) -> list[None]:
            from maild.archive.schema_outgoing import deliveries

            connection.execute(deliveries.update().values(state="queued"))  # type: ignore[attr-defined]
            return arguments

        await sqlite_database.writer.run(forget, None)
        await post.turn()
        assert post.states(message_id) == ["delivered"]

    await again()
    assert [file.name for file in (tmp_path / "m" / "new").iterdir()] == [written.name]
    written.rename(tmp_path / "m" / "cur" / f"{written.name}:2,S")
    await again()
    assert list((tmp_path / "m" / "new").iterdir()) == []
    assert claimed.id == 1


async def test_a_clock_that_jumps_by_ten_years_neither_expires_nor_doubles_a_delivery(
    sqlite_database: Database,
) -> None:
    ten_years = 3652 * DAY_MS
    message_id = out(sqlite_database)
    async with Sink(fault="4xx", at="rcpt") as sink:
        post = Post(sqlite_database, port=sink.port)
        for jump in (0, ten_years, -2 * ten_years, ten_years):
            post.later(jump)
            await post.turn()
            assert post.states(message_id) == ["deferred"]
        sink.heal()
        sink.fault, sink.at = "slow", "dot"
        post.later(DAY_MS)
        running = asyncio.create_task(post.worker.run())
        for jump in (ten_years, -2 * ten_years):  # while it is being sent
            await until(lambda: "DATA" in sink.said)
            post.now_ms += jump
            post.worker.wake()
            await asyncio.sleep(0.05)
        await until(lambda: post.states(message_id) == ["delivered"])
        post.worker.stop()
        await running
        assert sink.said.count("DATA") == 1
    (found,) = post.deliveries(message_id)
    assert not found.doubtful
