"""K1: SIGKILL of everything at random moments under load. The quick slice; `make crash` runs the whole."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.crash.harness import Daemon, Ledger, Load
from tests.crash.oracle import judge
from tests.crash.scale import scaled

EACH = scaled(30, 0)  # mails between two kills of the slice: in as many seconds as the machine needs for them


async def test_no_acknowledged_mail_is_lost_by_random_kills(tmp_path: Path) -> None:
    kills, least = scaled(5, 200), scaled(0, 10_000)
    chance = random.Random(4711)
    daemon, ledger = Daemon(tmp_path), Ledger()
    daemon.start()
    load = Load(daemon.smtp_port, ledger, largest=scaled(200_000, 5_000_000))
    sending = asyncio.create_task(load.run())
    done = 0
    while done < kills or sum(ledger.acknowledged.values()) < least:
        if done % 4:  # and now and then as soon as it is there
            await ledger.more(EACH)
        await asyncio.sleep(chance.uniform(0, scaled(0.3, 3) if done % 4 else 0.3))
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)
        done += 1
    load.stopping = True
    await sending
    await asyncio.to_thread(daemon.wait_routed)
    assert daemon.stop() == 0
    verdict = judge(daemon.database, ledger.acknowledged)
    print(f"kills {done}, slowest start {daemon.slowest_start_s:.2f} s, {verdict}")
    assert verdict.clean, verdict
    assert verdict.acknowledged > 20 * kills
    assert verdict.ghosts <= load.connections * done
    assert not any(code.startswith("5") for code in ledger.replies)
    assert daemon.slowest_start_s <= scaled(30, 5)  # a time is worth something where nothing else runs, and not here
