"""K1 for what leaves: SIGKILL at random moments while answers are handed in and sent. `make crash` runs the whole."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.app_passwords import NewAppPassword, add_app_passwords, new_secret, shown
from maild.archive.automatic import MOST_AN_HOUR
from maild.archive.passwords import Cost, hash_password
from maild.policy.roles import Role
from tests.crash.desk import Desk
from tests.crash.harness import RULES, Daemon
from tests.crash.oracle import judge
from tests.crash.outbox import judge_outbox
from tests.crash.receiver import Receiver
from tests.crash.scale import scaled
from tests.crash.test_sending import opened
from tests.dns_server import DnsServer
from tests.ports import free_port

LOGIN = "jonas"
ACKNOWLEDGING = RULES.replace(
    "title: Kita-Platzvergabe}\n", "title: Kita-Platzvergabe, acknowledge: eingang}\n"
).replace("rules:\n", 'templates: {eingang: {subject: "Eingang", text: "Ihr Brief ist da."}}\nrules:\n')
# Who wrote is proven, or nothing would be answered of itself.
ZONE = {
    "citizen.example": {"TXT": ['"v=spf1 ip4:127.0.0.1 -all"']},
    "_dmarc.citizen.example": {"TXT": ['"v=DMARC1; p=reject"']},
}
SETTINGS = """
[submission]
listen = ["127.0.0.1:{submission}"]
recipients_per_hour = 1_000_000
[outbound]
smarthost = "127.0.0.1:{sink}"
[authentication]
own_networks = []
[dns]
resolvers = ["{dns}"]
"""


def office(directory: Path, *, sink: int, dns: str) -> tuple[Daemon, Desk]:
    """Prepare a daemon and somebody who may answer for the kita."""
    submission = free_port()
    daemon = Daemon(
        directory,
        roles="smtp,router,delivery",
        settings=SETTINGS.format(submission=submission, sink=sink, dns=dns),
    )
    (directory / "rules.yaml").write_text(ACKNOWLEDGING)
    database = opened(daemon)
    try:
        database.writer.submit(
            add_users, NewUser(login=LOGIN, name="", mail="jonas@there.example", password=None, created_ms=1)
        ).result()
        given = NewGrant(login=LOGIN, role=Role.RESPONDER, team="kita", from_ms=0, until_ms=None, granted_by="test")
        database.writer.submit(add_grants, given).result()
        secret = new_secret()
        cheap = hash_password(secret, Cost(memory_kib=64, iterations=1))
        kept = NewAppPassword(login=LOGIN, name="Outlook", password=cheap, at_ms=1)
        password = shown(database.writer.submit(add_app_passwords, kept).result(), secret)
    finally:
        database.close()
    return daemon, Desk(daemon.smtp_port, submission, LOGIN, password)


def left(database: Path) -> int:
    """Count what is still on its way out."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'deferred')"
        ).fetchone()
    return int(count)


async def under_way(receiver: Receiver) -> None:
    """Wait until something is being sent, so that the kill does not meet idleness; now and then nothing is."""
    receiver.busy.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await receiver.busy.wait()


async def test_random_kills_lose_no_answer_and_send_none_twice(tmp_path: Path) -> None:
    kills, whole = scaled(5, 200), scaled(30, 1_000)
    chance = random.Random(4711)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(Receiver())
        names = await stack.enter_async_context(DnsServer(ZONE))
        daemon, desk = office(tmp_path, sink=receiver.port, dns=f"127.0.0.1:{names.address.port}")
        desk.whole = whole
        await asyncio.to_thread(daemon.start)
        handing_in = asyncio.create_task(desk.run())
        for number in range(kills):
            desk.allowed = whole * (number + 1) // (kills + 1)
            await under_way(receiver)
            await asyncio.sleep(chance.uniform(0, 0.6))
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
        desk.allowed = whole
        await handing_in
        await asyncio.to_thread(daemon.wait_routed)
        deadline = time.monotonic() + 120
        while left(daemon.database):
            assert time.monotonic() < deadline, f"{left(daemon.database)} deliveries are still open"
            await asyncio.sleep(0.05)
        assert await asyncio.to_thread(daemon.stop) == 0
    found, archived = judge_outbox(daemon.database, desk.answers, receiver.taken), judge(daemon.database, desk.letters)
    print(f"slowest start {daemon.slowest_start_s:.1f} s")
    cut_off = f"cut off {receiver.cut_off} of {receiver.connections}"
    print(f"kills {kills}, {found}, refused {dict(desk.refused)}, {cut_off}, {archived}")
    assert found.clean, found
    assert archived.clean, archived
    assert found.answers == whole
    assert found.automatic >= min(kills + 1, MOST_AN_HOUR)  # more do not leave in the time that the whole takes
    assert receiver.cut_off > kills // 2, "the kills met nothing"
    assert not any(code.startswith("5") for code in desk.refused), desk.refused
