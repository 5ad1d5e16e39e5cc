"""SIGKILL between the record of what an author is to hear and its sending: each report once, and none lost."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from tests.crash.desk import OFFICE, Desk, _answer
from tests.crash.harness import Daemon
from tests.crash.receiver import Receiver
from tests.crash.scale import scaled
from tests.crash.test_random_kills_sending import ZONE, office
from tests.dns_server import DnsServer

NOBODY = "never.example"
AUTHOR = "jonas@there.example"
LETTERS = scaled(2, 5)
# Call → the point of the slice. `write` is also what goes to a peer.
POINTS = {"fdatasync": 5, "write": 20}
MOST = 400  # points


def asked(daemon: Daemon, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{daemon.database}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(statement).fetchall()


def reports(daemon: Daemon) -> list[str]:
    return [str(state) for (state,) in asked(daemon, "SELECT state FROM author_reports ORDER BY delivery_id")]


def unsent(daemon: Daemon) -> int:
    return len(asked(daemon, "SELECT 1 FROM deliveries WHERE state IN ('queued', 'deferred')"))


async def until(daemon: Daemon, condition: Callable[[], bool], what: str) -> bool:
    """Wait, as long as the daemon lives; tell whether it does."""
    assert daemon.process is not None
    deadline = time.monotonic() + 120
    while not condition():
        if daemon.process.poll() is not None:
            return False
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)
    return True


async def recorded(daemon: Daemon, desk: Desk) -> None:
    """Have letters fail, and kill the daemon before their author is told."""
    await asyncio.to_thread(daemon.start)
    for number in range(LETTERS):
        to = f"x{number}@{NOBODY}"
        assert await desk._hand_in(desk.submission_port, OFFICE, to, _answer(number, to), signed_in=True)
    assert await until(daemon, lambda: len(reports(daemon)) == LETTERS, "the letters did not fail")
    await asyncio.to_thread(daemon.kill)


def through(daemon: Daemon) -> bool:
    return set(reports(daemon)) == {"told"} and not unsent(daemon)


async def killed(daemon: Daemon, call: str, point: int) -> bool:
    """Have the reports sent by a daemon that dies at one point, and by its next life; tell whether it died."""
    injection = f"{call}:signal=SIGKILL:when={point}"
    wrapper = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={injection}")
    with contextlib.suppress(AssertionError):  # before it was ready, too, is a point
        await asyncio.to_thread(daemon.start, wrapper=wrapper)
    died = not await until(daemon, lambda: through(daemon), "the reports were not sent")
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.start)
    assert await until(daemon, lambda: through(daemon), "the reports were not sent after all")
    assert await asyncio.to_thread(daemon.stop) == 0
    return died


def judge(daemon: Daemon, receiver: Receiver, where: str) -> None:
    notices = asked(
        daemon,
        "SELECT o.answers_id, d.state, d.doubtful FROM outgoing o JOIN deliveries d ON d.message_id = o.message_id "
        f"WHERE o.kind = 'notice' AND d.recipient = '{AUTHOR}'",
    )
    assert len({letter for letter, _, _ in notices}) == len(notices) == LETTERS, f"{where}: {notices}"
    had = Counter(each.key for each in receiver.taken)
    assert all(count == 1 for count in had.values()), f"{where}: {had}"
    assert all(each.recipient == AUTHOR for each in receiver.taken), where
    delivered = sum(state == "delivered" for _, state, _ in notices)
    # What may have arrived is given up, and said so: nobody is told the same twice.
    given_up = sum(state == "failed" and bool(doubtful) for _, state, doubtful in notices)
    assert delivered + given_up == LETTERS, f"{where}: {notices}"
    assert delivered <= len(had) <= LETTERS, f"{where}: {notices} {had}"


@pytest.mark.needs("strace")
@pytest.mark.timeout(scaled(300, 0))
@pytest.mark.parametrize("call", scaled(["fdatasync"], list(POINTS)))
async def test_a_kill_between_a_report_and_its_sending_loses_and_doubles_none(tmp_path: Path, call: str) -> None:
    point, points, died = scaled(POINTS[call], 1), 0, True
    async with AsyncExitStack() as stack:
        names = await stack.enter_async_context(DnsServer(ZONE))
        receiver = await stack.enter_async_context(Receiver(slowest_s=0.05, refuses=NOBODY))
        daemon, desk = office(tmp_path, sink=receiver.port, dns=f"127.0.0.1:{names.address.port}")
        await recorded(daemon, desk)
        assert reports(daemon) == ["waiting"] * LETTERS, "it was too late for the kill"
        prepared = tmp_path / "prepared"
        shutil.copytree(daemon.data_dir, prepared)
        while died and points < scaled(1, MOST):
            shutil.rmtree(daemon.data_dir)
            shutil.copytree(prepared, daemon.data_dir)
            receiver.taken.clear()
            died = await killed(daemon, call, point)
            judge(daemon, receiver, f"{call} {point}")
            point, points = point + 1, points + 1
    print(f"{call}: {points} points, {'more are left' if died else 'none is left'}")
    assert died or points > 1, "the slice's point is past the end"
