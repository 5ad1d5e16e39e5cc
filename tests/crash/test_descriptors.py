"""K6: the daemon has no file descriptor left. It refuses for now, loses nothing, spins nowhere, and heals by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import judge
from tests.footprint import family

DESCRIPTORS = 48  # idle it has about thirty
PEERS = 100
OBSERVED_S = 2.0


def limited(descriptors: int) -> tuple[str, ...]:
    """Return a wrapper for a program that may open as many files."""
    return "sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"


def cpu_s(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def events(daemon: Daemon) -> Counter[str]:
    """Count the events of the log."""
    lines = (daemon.directory / "log").read_text().splitlines()
    return Counter(json.loads(line)["event"] for line in lines if line.startswith("{"))


async def occupied(port: int, peers: int) -> list[asyncio.StreamWriter]:
    """Connect as often as asked, and stay."""
    return [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(peers)]


async def until(condition: object, complaint: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.02)


async def test_without_file_descriptors_nothing_is_lost_and_nothing_spins(tmp_path: Path) -> None:
    daemon, ledger = Daemon(tmp_path), Ledger()
    daemon.start(wrapper=limited(DESCRIPTORS))
    assert daemon.process is not None
    pid = daemon.process.pid
    # As many peers as want to: whoever comes late waits or is turned away, and the daemon sleeps.
    peers = await occupied(daemon.smtp_port, PEERS)
    before = cpu_s(pid)
    await asyncio.sleep(OBSERVED_S)
    assert cpu_s(pid) - before < 0.2 * OBSERVED_S
    for peer in peers:
        peer.transport.abort()
    # Large mails want a file each; the workers die meanwhile, and new ones want descriptors, too.
    load = Load(daemon.smtp_port, ledger, connections=30, largest=3_000_000, seed=6)
    sending = asyncio.create_task(load.run())
    await until(lambda: ledger.replies["452"] > 10, "the descriptors never ran out")
    for worker in family(pid)[1:]:
        os.kill(worker, signal.SIGKILL)
    refused, acknowledged = ledger.replies["452"], ledger.acknowledged.total()
    await until(lambda: ledger.replies["452"] > refused + 10, "the descriptors were there again")
    load.stopping = True
    await sending
    calm = Load(daemon.smtp_port, ledger, connections=2, largest=20_000, seed=7)
    calm.limit = ledger.acknowledged.total() + 20
    await asyncio.wait_for(calm.run(), 60)
    await asyncio.to_thread(daemon.wait_routed)
    assert daemon.stop() == 0
    assert ledger.acknowledged.total() > acknowledged
    assert not any(code.startswith("5") for code in ledger.replies), ledger.replies
    verdict = judge(daemon.database, ledger.acknowledged)
    assert verdict.clean, verdict
    said = events(daemon)
    assert (said["smtp.connections_capped"], said["smtp.spool_failed"]) == (1, 1), said
    assert said.total() < 100, said
