"""K2 for what leaves: SIGKILL at the k-th system call of each kind while answers are handed in and sent."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from tests.crash.desk import Desk
from tests.crash.harness import Daemon
from tests.crash.oracle import judge
from tests.crash.outbox import judge_outbox
from tests.crash.receiver import Receiver
from tests.crash.scale import scaled
from tests.crash.test_random_kills_sending import ZONE, left, office
from tests.dns_server import DnsServer

# Call → (point of the slice, step of the whole). `write` is what goes to a peer: an acknowledgement, or a letter.
POINTS = {"fdatasync": (14, 1), "write": (50, 1), "pwrite64": (160, 10), "sendto": (1, 1)}
ANSWERS = scaled(3, 5)
MOST = 400  # points


def _waiting(database: Path) -> int:
    """Count the acknowledgements that are due and not written yet."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM duties WHERE state = 'waiting'").fetchone()
    return int(count)


async def _sent(daemon: Daemon, handing_in: asyncio.Task[None]) -> None:
    """Wait until all is through, or the daemon dead."""
    assert daemon.process is not None
    deadline = time.monotonic() + 120
    while daemon.process.poll() is None:
        if handing_in.done() and not _waiting(daemon.database) and not left(daemon.database):
            return
        assert time.monotonic() < deadline, f"{left(daemon.database)} deliveries are still open"
        await asyncio.sleep(0.02)


async def _point(daemon: Daemon, desk: Desk, call: str, point: int) -> bool:
    """Have the answers sent by a daemon that dies at one point, and by its next life; tell whether it died."""
    injection = f"{call}:signal=SIGKILL:when={point}"
    wrapper = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={injection}")
    died = True  # before it was ready, too, is a point
    with contextlib.suppress(AssertionError):
        await asyncio.to_thread(daemon.start, wrapper=wrapper)
    desk.allowed = desk.whole = ANSWERS
    handing_in = asyncio.create_task(desk.run())
    assert daemon.process is not None
    if daemon.process.poll() is None:
        await _sent(daemon, handing_in)
        died = daemon.process.poll() is not None
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.start)
    await handing_in
    await asyncio.to_thread(daemon.wait_routed)  # from then on each letter has its duty
    await _sent(daemon, handing_in)
    assert await asyncio.to_thread(daemon.stop) == 0
    return died


@pytest.mark.needs("strace")
@pytest.mark.timeout(scaled(300, 0))
@pytest.mark.parametrize("call", scaled(["write"], list(POINTS)))
async def test_a_kill_at_any_system_call_loses_no_answer_and_sends_none_twice(tmp_path: Path, call: str) -> None:
    first, step = POINTS[call]
    point, points, died = scaled(first, 1), 0, True
    async with AsyncExitStack() as stack:
        names = await stack.enter_async_context(DnsServer(ZONE))
        receiver = await stack.enter_async_context(Receiver(slowest_s=0.05))
        daemon, desk = office(tmp_path, sink=receiver.port, dns=f"127.0.0.1:{names.address.port}")
        prepared = tmp_path / "prepared"
        shutil.copytree(daemon.data_dir, prepared)
        while died and points < scaled(1, MOST):
            shutil.rmtree(daemon.data_dir)
            shutil.copytree(prepared, daemon.data_dir)
            receiver.taken.clear()
            desk = Desk(desk.smtp_port, desk.submission_port, desk.login, desk.password)
            died = await _point(daemon, desk, call, point)
            found = judge_outbox(daemon.database, desk.answers, receiver.taken)
            archived = judge(daemon.database, desk.letters)
            assert found.clean, f"{call} {point}: {found}"
            assert archived.clean, f"{call} {point}: {archived}"
            assert (found.answers, found.automatic) == (ANSWERS, ANSWERS), f"{call} {point}"
            assert not any(code.startswith("5") for code in desk.refused), f"{call} {point}: {desk.refused}"
            point, points = point + step, points + 1
    print(f"{call}: {points} points, last {point - step}, {'more are left' if died else 'none is left'}")
    assert died or points > 1, "the slice's point is past the end"
