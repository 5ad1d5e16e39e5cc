"""Several hosts on one PostgreSQL share the work, and none does it twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from maild.archive.database import Database
from maild.archive.upgrade import upgrade
from maild.delivery.worker import Limits
from maild.rules.duties import Duty
from tests.delivery.post import THERE, Post, letter, out
from tests.delivery.sink import Sink


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.needs("postgresql")
async def test_two_hosts_send_each_mail_once(postgresql: str, tmp_path: Path) -> None:
    first, second = Database(postgresql, tmp_path), Database(postgresql, tmp_path)
    upgrade(first.writing)
    first.start()
    second.start()
    try:
        for number in range(30):
            out(first, (f"n{number}@{THERE}",), number=number)
        for number in range(10):
            letter(first, Duty("kita", "forward", f"f{number}@{THERE}", "f"), number=100 + number)
        async with Sink() as sink:
            limits = Limits(connections=3, per_hop=3, poll_s=0.02)
            posts = [Post(database, port=sink.port, limits=limits) for database in (first, second)]
            running = [asyncio.create_task(post.worker.run()) for post in posts]
            await until(lambda: sum(post.worker.counts["delivered"] for post in posts) >= 40)
            for post in posts:
                post.worker.stop()
            await asyncio.gather(*running)
        received = Counter(address for mail in sink.mails for address in mail.recipients)
        assert len(received) == 40
        assert set(received.values()) == {1}
        assert all(post.worker.counts["delivered"] for post in posts)
    finally:
        first.close()
        second.close()
