"""K2: SIGKILL at the k-th system call of each kind that changes a file, for every n-th k until none is left."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import judge
from tests.crash.scale import WHOLE, scaled

# Call → (first point, step in the quick slice, step in the whole). strace counts for each thread by itself: the point
# is that of the thread which comes to it first.
POINTS = {"fdatasync": (3, 19, 1), "fsync": (1, 4, 1), "pwrite64": (40, 300, 10), "rename": (1, 3, 1)}
if WHOLE:
    POINTS = {call: (1, step, step) for call, (_, _, step) in POINTS.items()} | {"unlink": (1, 1, 1)}
MAILS = 30


async def _until_death(daemon: Daemon, ledger: Ledger) -> bool:
    """Send until the daemon dies or everything is through; say whether it died."""
    load = Load(daemon.smtp_port, ledger, connections=4, largest=scaled(30_000, 300_000))  # the whole: with spool files
    load.limit = sum(ledger.acknowledged.values()) + MAILS
    sending = asyncio.create_task(load.run())
    assert daemon.process is not None
    while not sending.done() and daemon.process.poll() is None:  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(0.02)
    load.stopping = True
    await sending
    if daemon.process.poll() is None:
        await asyncio.to_thread(daemon.wait_routed)
    return daemon.process.poll() is not None


@pytest.mark.needs("strace")
@pytest.mark.timeout(scaled(300, 0))
@pytest.mark.parametrize("call", list(POINTS))
async def test_a_kill_at_any_system_call_loses_nothing(tmp_path: Path, call: str) -> None:
    point, quick, whole = POINTS[call]
    step, died, points = scaled(quick, whole), True, 0
    seed = Daemon(tmp_path)
    while died and points < scaled(3, 2_000):
        shutil.rmtree(seed.data_dir, ignore_errors=True)
        ledger = Ledger()
        injection = f"{call}:signal=SIGKILL:when={point}"
        try:
            seed.start(
                wrapper=("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={injection}"),
                patience_s=15,
            )
            died = await _until_death(seed, ledger)
        except AssertionError:
            died = True  # it died before it was ready: that is a point, too
        seed.kill()
        seed.start()
        seed.wait_routed()
        assert seed.stop() == 0
        verdict = judge(seed.database, ledger.acknowledged)
        assert verdict.clean, f"{call} {point}: {verdict}"
        point, points = point + step, points + 1
    print(f"{call}: {points} points, last {point - step}, {'more are left' if died else 'none is left'}")
    assert points > 1, "the slice's point is past the end"
    assert not (WHOLE and died), "these were not all"
