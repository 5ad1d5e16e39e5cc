"""S4: many large mails at once. They pass through the memory, and do not add up in it.

Expected: 20 mails of 25 MB on their way at the same time, until the last of them is filed, cost the whole daemon,
all its processes together, at most 100 MB.
"""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.harness import Daemon, reply_of
from tests.footprint import Peak, settled_bytes

MAILS = 20
MAIL_BYTES = 25_000_000
MOST_BYTES = 100_000_000
PIECE_BYTES = 65_536
HEAD = (
    b"From: Petra <petra@citizen.example>\r\nTo: info@musterstadt.example\r\nSubject: Plan %d\r\n"
    b"Message-ID: <plan%d@citizen.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nThe plan.\r\n"
    b"--b\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    daemon.start(anew=True)  # its memory is measured
    yield daemon
    daemon.kill()
    shutil.rmtree(daemon.data_dir)  # half a gigabyte


def attachment() -> bytes:
    """Return lines of base64 that no compressor makes small."""
    block = base64.encodebytes(random.Random(25).randbytes(1_500_000)).replace(b"\n", b"\r\n")
    return (block * (MAIL_BYTES // len(block) + 1))[: MAIL_BYTES - 2_000] + b"\r\n--b--\r\n"


async def send(port: int, number: int, body: bytes, ready: asyncio.Barrier) -> bytes:
    """Send a mail, and its last line only when everybody else has come so far; returns the final reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reply_of(reader)
        writer.write(b"EHLO x\r\nMAIL FROM:<petra@citizen.example>\r\nRCPT TO:<info@musterstadt.example>\r\nDATA\r\n")
        for _ in range(4):
            await reply_of(reader)
        writer.write(HEAD % (number, number))
        for start in range(0, len(body), PIECE_BYTES):
            writer.write(body[start : start + PIECE_BYTES])
            await writer.drain()
        await ready.wait()
        writer.write(b".\r\n")
        return await reply_of(reader)
    finally:
        writer.transport.abort()


async def test_20_mails_of_25_mb_at_once_cost_the_daemon_at_most_100_mb(daemon: Daemon) -> None:
    assert daemon.process is not None
    pid, body, ready = daemon.process.pid, attachment(), asyncio.Barrier(MAILS)
    before = settled_bytes(pid)
    with Peak(pid) as peak:
        replies = await asyncio.gather(*(send(daemon.smtp_port, n, body, ready) for n in range(MAILS)))
        await asyncio.to_thread(daemon.wait_routed)
    print(f"before {before}, most {peak.most_bytes}, difference {peak.most_bytes - before}, looks {peak.looks}")
    assert {reply[:9] for reply in replies} == {b"250 2.0.0"}
    assert peak.looks > 50
    assert peak.most_bytes - before <= MOST_BYTES
    with sqlite3.connect(daemon.database) as connection:
        read = connection.execute(
            "SELECT subject, attachments, source_only, problem FROM summaries ORDER BY subject"
        ).fetchall()
    assert read == sorted((f"Plan {n}", 1, None, None) for n in range(MAILS))
