"""The crash tests can fail: each deliberate fault in the daemon is found by the same harness and oracle."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import Verdict, judge
from tests.crash.test_power_cut import Disk, cut_power, disk

__all__ = ["disk"]
ROUNDS = 12
MAILS = 20  # between two kills, at least


async def _is_found(directory: Path, mutant: str, symptom: Callable[[Verdict], object]) -> bool:
    """Kill the mutant until the oracle sees what its fault leads to; the fault may show in another way before."""
    chance = random.Random(99)
    daemon, ledger = Daemon(directory), Ledger()
    program = ("-m", "tests.crash.mutant", mutant)
    for number in range(ROUNDS):
        daemon.start(program=program)
        load = Load(daemon.smtp_port, ledger, largest=20_000, seed=number)
        sending = asyncio.create_task(load.run())
        await ledger.more(MAILS)
        await asyncio.sleep(chance.uniform(0, 0.3))
        load.stopping = True
        await asyncio.to_thread(daemon.kill)
        await sending
        daemon.start()
        await asyncio.to_thread(daemon.wait_routed)
        daemon.stop()
        verdict = judge(daemon.database, ledger.acknowledged)
        if symptom(verdict):
            return True
    return False


async def test_a_reply_before_the_commit_is_found(tmp_path: Path) -> None:
    assert await _is_found(tmp_path, "reply_before_commit", lambda verdict: verdict.lost)


async def test_work_items_in_a_second_transaction_are_found(tmp_path: Path) -> None:
    assert await _is_found(tmp_path, "work_items_later", lambda verdict: verdict.unfiled)


async def test_duplicates_that_are_not_noticed_are_found(tmp_path: Path) -> None:
    assert await _is_found(tmp_path, "duplicates_unnoticed", lambda verdict: verdict.duplicates_unmarked)


@pytest.mark.timeout(300)
async def test_synchronous_off_is_found_by_a_power_cut(disk: Disk) -> None:
    ledger, daemon = await cut_power(disk, 2, program=("-m", "tests.crash.mutant", "synchronous_off"))
    try:
        verdict = judge(daemon.database, ledger.acknowledged)
    except sqlite3.DatabaseError:
        return  # a store that cannot be read has lost what it held
    assert not verdict.clean
