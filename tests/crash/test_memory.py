"""K7: memory runs short. The kernel takes the workers first; what was acknowledged survives, and is read again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import judge
from tests.footprint import family, settled_bytes

KILLS = 8
ROOM_BYTES = 10_000_000  # beyond what the daemon has when it is idle: too little to read what is sent


class MemoryGroup:
    """A control group whose memory is limited, of either version."""

    def __init__(self) -> None:
        first = Path("/sys/fs/cgroup/memory")
        self._v1 = first.is_dir()
        self.directory = (first if self._v1 else Path("/sys/fs/cgroup")) / f"maild-test-{os.getpid()}"
        self.directory.mkdir()
        self._limit = self.directory / ("memory.limit_in_bytes" if self._v1 else "memory.max")
        if not self._limit.exists():
            self.directory.rmdir()
            raise FileNotFoundError(self._limit)

    @property
    def wrapper(self) -> tuple[str, ...]:
        return "sh", "-c", f'echo $$ > {self.directory}/cgroup.procs && exec "$@"', "sh"

    def limit(self, most_bytes: int | None) -> None:
        """Set the limit, or take it away."""
        self._limit.write_text(str(most_bytes) if most_bytes is not None else "-1" if self._v1 else "max")

    @property
    def used_bytes(self) -> int:
        """What its processes have, a page that several share counted once; of files what they have mapped."""
        used = self.directory / ("memory.usage_in_bytes" if self._v1 else "memory.current")
        text = (self.directory / "memory.stat").read_text()
        parts = {name: int(value) for name, value in (line.split() for line in text.splitlines())}
        mapped = parts["mapped_file" if self._v1 else "file_mapped"]
        return int(used.read_text()) - parts["active_file"] - parts["inactive_file"] + mapped

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        text = (self.directory / ("memory.oom_control" if self._v1 else "memory.events")).read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    try:
        group = MemoryGroup()
    except OSError as error:
        pytest.skip(f"needs the right to make a control group with a limit of memory: {error}")
    yield group
    deadline = time.monotonic() + 60
    while True:
        try:
            group.directory.rmdir()
        except OSError:  # its last process is not gone yet
            assert time.monotonic() < deadline, "the control group cannot be removed"
            time.sleep(0.05)
        else:
            return


def in_full(database: Path) -> int:
    """Count the messages that a worker has read."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM summaries WHERE source_only IS NULL").fetchone()
    return int(count)


async def finish(daemon: Daemon, ledger: Ledger) -> None:
    """Send some more, which is read as ever; then judge all of it."""
    calm = Load(daemon.smtp_port, ledger, connections=2, largest=20_000, seed=7)
    calm.limit = ledger.acknowledged.total() + 20
    await asyncio.to_thread(daemon.wait_routed)
    before = in_full(daemon.database)
    await asyncio.wait_for(calm.run(), 60)
    await asyncio.to_thread(daemon.wait_routed)
    assert daemon.stop() == 0, "the daemon itself has lived on"
    assert not any(code.startswith("5") for code in ledger.replies), ledger.replies
    verdict = judge(daemon.database, ledger.acknowledged)
    assert verdict.clean, verdict
    assert in_full(daemon.database) >= before + 19  # one may have come twice


async def test_workers_that_are_killed_one_after_another_cost_no_mail(tmp_path: Path) -> None:
    daemon, ledger, chance = Daemon(tmp_path), Ledger(), random.Random(7)
    daemon.start()
    assert daemon.process is not None
    load = Load(daemon.smtp_port, ledger, connections=6, largest=100_000, seed=7)
    sending = asyncio.create_task(load.run())
    for killed in range(KILLS):
        at_least = 5 * killed
        while ledger.acknowledged.total() < at_least:  # noqa: ASYNC110 - the ledger tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0, 0.1))
        if workers := family(daemon.process.pid)[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
    load.stopping = True
    await sending
    assert set(ledger.replies) == {"250"}
    await finish(daemon, ledger)


async def test_a_limit_of_memory_takes_the_workers_and_not_the_daemon(tmp_path: Path, group: MemoryGroup) -> None:
    daemon, ledger = Daemon(tmp_path), Ledger()
    daemon.start(wrapper=group.wrapper)
    assert daemon.process is not None
    settled_bytes(daemon.process.pid)
    group.limit(group.used_bytes + ROOM_BYTES)
    load = Load(daemon.smtp_port, ledger, connections=3, largest=2_000_000, seed=8)
    sending = asyncio.create_task(load.run())
    deadline = time.monotonic() + 60
    while not group.kills:
        assert time.monotonic() < deadline, "the memory never ran out"
        await asyncio.sleep(0.02)
    load.stopping = True
    group.limit(None)
    await sending
    await finish(daemon, ledger)
