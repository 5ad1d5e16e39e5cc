"""SIGKILL while mail leaves: nothing is lost, a second copy only where it is said, automatic mail never twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from maild.archive.database import Database, make_data_dir
from maild.archive.upgrade import upgrade
from maild.delivery.deliveries import LMTP
from maild.delivery.queue.listing import RecordedDelivery, deliveries_of
from maild.policy.visible import OPERATOR
from tests.archive.samples import NOW_MS
from tests.crash.harness import Daemon
from tests.delivery.post import out
from tests.delivery.sink import Sink

PERSON, AUTOMATIC = "a@there.example", "b@there.example"
ENDED = ("delivered", "failed")


def opened(daemon: Daemon) -> Database:
    make_data_dir(daemon.data_dir)
    database = Database("", daemon.data_dir)
    upgrade(database.writing)
    database.start()
    return database


def look(daemon: Daemon, *message_ids: int) -> list[RecordedDelivery]:
    database = Database("", daemon.data_dir)
    try:
        with database.read() as connection:
            found = deliveries_of(connection, visible=OPERATOR, message_ids=message_ids)
    finally:
        database.close()
    return [each for rows in found.values() for each in rows]


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


# Where the next hop falls silent → may it have arrived, and how many copies are there in the end?
STAGES = {"rcpt": (False, 1), "data": (True, 1), "dot": (True, 1), "after": (True, 2)}


async def test_a_kill_loses_nothing_and_says_what_may_have_arrived_twice(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        sinks = {at: await stack.enter_async_context(Sink(fault="hang", at=at, lmtp=True)) for at in STAGES}
        daemon = Daemon(tmp_path, roles="smtp,delivery")
        database = opened(daemon)
        person, automatic = {}, {}
        for number, (at, sink) in enumerate(sinks.items()):
            hop, long_ago = f"127.0.0.1:{sink.port}", NOW_MS - 10**12
            person[at] = out(database, (PERSON,), number=number, kind=LMTP, next_hop=hop, at_ms=long_ago)
            automatic[at] = out(
                database, (AUTOMATIC,), number=100 + number, kind=LMTP, next_hop=hop, at_ms=long_ago, once=True
            )
        database.close()
        await asyncio.to_thread(daemon.start)
        for at, sink in sinks.items():
            await until(partial(reached, sink, at), f"nothing was sent: {at}")
        await asyncio.to_thread(daemon.kill)
        for sink in sinks.values():
            sink.heal()
        await asyncio.to_thread(daemon.start)
        everything = [*person.values(), *automatic.values()]
        await until(lambda: all(each.state in ENDED for each in look(daemon, *everything)), "not sent again")
        assert daemon.stop() == 0
    for at, (doubtful, copies) in STAGES.items():
        (first,), (second,) = look(daemon, person[at]), look(daemon, automatic[at])
        assert (first.state, first.doubtful) == ("delivered", doubtful), at
        assert (second.state, second.doubtful) == ("failed" if doubtful else "delivered", doubtful), at
        received = [address for mail in sinks[at].mails for address in mail.recipients]
        assert received.count(PERSON) == copies, at
        assert received.count(AUTOMATIC) == (0 if at in ("data", "dot") else 1), at


def reached(sink: Sink, at: str) -> bool:
    """Tell whether both mails are in the step in which nothing more comes."""
    if at == "after":
        return len(sink.mails) == 2
    return sum(line.startswith("RCPT" if at == "rcpt" else "DATA") for line in sink.said) == 2
