"""K4 and K5: a disk that fails and a disk that is full. Acknowledged equals stored, no 5xx, and it heals by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import judge


@pytest.mark.needs("strace")
async def test_an_error_of_fdatasync_is_a_451_and_loses_nothing(tmp_path: Path) -> None:
    daemon, ledger = Daemon(tmp_path), Ledger()
    inject = "inject=fdatasync:error=EIO:when=20..200+7"
    daemon.start(wrapper=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject))
    load = Load(daemon.smtp_port, ledger, connections=6, largest=20_000)
    load.limit = 150
    await asyncio.wait_for(load.run(), 100)
    await asyncio.to_thread(daemon.wait_routed)
    daemon.kill()
    assert ledger.replies["451"] > 0, "no fault was met"
    assert not any(code.startswith("5") for code in ledger.replies)
    verdict = judge(daemon.database, ledger.acknowledged)
    assert verdict.clean, verdict


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", mount], check=False)
    if made.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


async def test_a_full_disk_is_a_452_and_heals_by_itself(small_disk: Path) -> None:
    daemon, ledger = Daemon(small_disk), Ledger()
    daemon.start()
    (small_disk / "ballast").write_bytes(random.randbytes(36_000_000))
    load = Load(daemon.smtp_port, ledger, connections=6, largest=1_000_000, seed=3)
    sending = asyncio.create_task(load.run())
    await _until(lambda: ledger.replies["452"] > 10, "the disk never filled")
    before = sum(ledger.acknowledged.values())
    (small_disk / "ballast").unlink()
    await _until(lambda: sum(ledger.acknowledged.values()) > before + 20, "it did not recover")
    await _nothing_was_lost(daemon, load, sending)


async def test_a_disk_without_inodes_is_a_452_and_heals_by_itself(small_disk: Path) -> None:
    _leave_inodes(small_disk, 200)
    daemon, ledger = Daemon(small_disk), Ledger()
    daemon.start()
    load = Load(daemon.smtp_port, ledger, connections=6, largest=1_000_000, seed=5)
    sending = asyncio.create_task(load.run())
    await _until(lambda: sum(ledger.acknowledged.values()) > 20, "nothing was accepted")
    many = small_disk / "many"
    many.mkdir()
    with contextlib.suppress(OSError):
        for number in range(1_000):
            (many / str(number)).touch()
    assert os.statvfs(small_disk).f_favail < 10
    await _until(lambda: ledger.replies["452"] > 10, "the want of inodes was not noticed")
    before = sum(ledger.acknowledged.values())
    shutil.rmtree(many)
    await _until(lambda: sum(ledger.acknowledged.values()) > before + 20, "it did not recover")
    await _nothing_was_lost(daemon, load, sending)


async def test_a_disk_that_another_program_fills_to_the_last_octet_loses_nothing(small_disk: Path) -> None:
    daemon, ledger = Daemon(small_disk), Ledger()
    daemon.start()
    load = Load(daemon.smtp_port, ledger, connections=6, largest=100_000, seed=4)
    sending = asyncio.create_task(load.run())
    await _until(lambda: sum(ledger.acknowledged.values()) > 20, "nothing was accepted")
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(random.randbytes(65536))
        except OSError:
            pass
    await _until(lambda: ledger.replies["452"] > 5, "a full disk was not noticed")
    before = sum(ledger.acknowledged.values())
    ballast.unlink()
    await _until(lambda: sum(ledger.acknowledged.values()) > before + 20, "it did not recover")
    await _nothing_was_lost(daemon, load, sending)


def _leave_inodes(mount: Path, count: int) -> None:
    # Room enough: what is accepted before anyone looks must not be what fills the disk.
    subprocess.run(["mount", "-o", f"remount,nr_inodes={count},size=1g", mount], check=True)


async def _nothing_was_lost(daemon: Daemon, load: Load, sending: asyncio.Task[None]) -> None:
    load.stopping = True
    await sending
    await asyncio.to_thread(daemon.wait_routed)
    assert daemon.stop() == 0
    assert not any(code.startswith("5") for code in load.ledger.replies), load.ledger.replies
    verdict = judge(daemon.database, load.ledger.acknowledged)
    assert verdict.clean, verdict


async def _until(condition: object, complaint: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.05)
