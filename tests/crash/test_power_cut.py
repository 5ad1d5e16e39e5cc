"""K3: power cuts. A file system of our own is shut down without writing its log, killed, mounted again and judged.

The daemon is stopped (SIGSTOP) first: a cut must not let an fsync that is under way return with success.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import judge
from tests.crash.scale import scaled

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
MAILS = 25  # between two cuts, at least


class Disk:
    """An ext4 in a file, which can lose its power."""

    def __init__(self, directory: Path) -> None:
        self.image = directory / "disk.img"
        self.mount_point = directory / "disk"
        self.mount_point.mkdir()
        with self.image.open("wb") as file:
            file.truncate(scaled(400_000_000, 8_000_000_000))
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)

    def mount(self) -> bool:
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount_point], check=False, capture_output=True)
        return done.returncode == 0

    def cut(self) -> None:
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(descriptor)

    def unmount(self) -> None:
        subprocess.run(["umount", self.mount_point], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system and cut its power")
    disk = Disk(tmp_path)
    if not disk.mount():
        pytest.skip("needs loop devices to mount a file system of its own")
    yield disk
    subprocess.run(["umount", "-l", disk.mount_point], check=False, capture_output=True)


async def cut_power(disk: Disk, cuts: int, program: tuple[str, ...] = ("-m", "maild")) -> tuple[Ledger, Daemon]:
    """Run under load through a number of power cuts; the store is left mounted and routed."""
    chance = random.Random(815)
    daemon, ledger = Daemon(disk.mount_point), Ledger()
    os.sync()
    for number in range(cuts):
        daemon.start(program=program)
        load = Load(daemon.smtp_port, ledger, largest=60_000, seed=number + 10)
        sending = asyncio.create_task(load.run())
        await ledger.more(MAILS)
        await asyncio.sleep(chance.uniform(0, scaled(0.3, 1.5)))
        assert daemon.process is not None
        os.killpg(daemon.process.pid, signal.SIGSTOP)
        disk.cut()
        load.stopping = True
        await asyncio.to_thread(daemon.kill)
        await sending
        disk.unmount()
        assert disk.mount()
    daemon.start()
    await asyncio.to_thread(daemon.wait_routed)
    assert daemon.stop() == 0
    return ledger, daemon


@pytest.mark.timeout(1800)
async def test_a_power_cut_loses_no_acknowledged_mail(disk: Disk) -> None:
    ledger, daemon = await cut_power(disk, scaled(3, 25))
    verdict = judge(daemon.database, ledger.acknowledged)
    print(verdict)
    assert verdict.acknowledged > 50
    assert verdict.clean, verdict
