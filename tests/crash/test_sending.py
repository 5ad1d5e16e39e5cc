"""SIGKILL while mail leaves: nothing is lost, a second copy only where it is said, automatic mail never twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maild.archive.database import Database, make_data_dir
from maild.archive.upgrade import upgrade
from maild.delivery.queue.listing import RecordedDelivery, deliveries_of
from maild.policy.visible import OPERATOR
from tests.archive.samples import NOW_MS
from tests.crash.harness import Daemon
from tests.delivery.post import out
from tests.delivery.sink import Sink

PERSON, AUTOMATIC = "a@there.example", "b@there.example"


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


@pytest.mark.parametrize(
    ("at", "doubtful", "copies"), [("rcpt", False, 1), ("data", True, 1), ("dot", True, 1), ("after", True, 2)]
)
async def test_a_kill_loses_nothing_and_says_what_may_have_arrived_twice(
    at: str, copies: int, tmp_path: Path, *, doubtful: bool
) -> None:
    async with Sink(fault="hang", at=at) as sink:
        settings = f'[outbound]\nsmarthost = "127.0.0.1:{sink.port}"\n'
        daemon = Daemon(tmp_path, settings=settings, roles="smtp,delivery")
        database = opened(daemon)
        person = out(database, (PERSON,), number=1, at_ms=NOW_MS - 10**12)
        automatic = out(database, (AUTOMATIC,), number=2, once=True, at_ms=NOW_MS - 10**12)
        database.close()
        await asyncio.to_thread(daemon.start)
        wanted = {"rcpt": "RCPT", "data": "DATA", "dot": "DATA", "after": "DATA"}[at]
        await until(lambda: sum(line.startswith(wanted) for line in sink.said) == 2, "nothing was sent")
        if at == "after":
            await until(lambda: len(sink.mails) == 2, "nothing was kept")
        await asyncio.to_thread(daemon.kill)
        sink.heal()
        await asyncio.to_thread(daemon.start)
        ended = ("delivered", "failed")
        await until(lambda: all(each.state in ended for each in look(daemon, person, automatic)), "not sent again")
        assert daemon.stop() == 0
    first, second = look(daemon, person, automatic)
    assert (first.state, first.doubtful) == ("delivered", doubtful)
    assert (second.state, second.doubtful) == ("failed" if doubtful else "delivered", doubtful)
    received = [address for mail in sink.mails for address in mail.recipients]
    assert received.count(PERSON) == copies
    assert received.count(AUTOMATIC) == (0 if at in ("data", "dot") else 1)
