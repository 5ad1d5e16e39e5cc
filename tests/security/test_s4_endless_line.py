"""S4: a line, a header or a message that never ends.

Expected: a connection grows by at most 2 MB whatever is sent, and is refused and closed not far beyond the limit.
The server runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

SERVER = """
import asyncio, uvloop
from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.server import serve

OK = Reply(code=250, enhanced="2.1.5", text="Ok")

class Forgetting:
    size = 0
    def write(self, data): self.size += len(data)
    def discard(self): pass

class Room:
    def ready(self, size): return None
    def admit(self, address, reverse_path): return OK
    def spool(self): return Forgetting()
    async def accept(self, envelope, spool): return OK

async def main():
    server = await serve("127.0.0.1:0", Room(), Limits(linger_s=0.5), "mx.us.example", None)
    print(server.port, flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""
GROWTH_BYTES = 2_000_000
LIMIT_BYTES = 35_000_000
ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<kita@us.example>\r\nDATA\r\n"


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@asynccontextmanager
async def daemon() -> AsyncIterator[tuple[int, int]]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(await asyncio.wait_for(process.stdout.readline(), 60)), process.pid
    finally:
        process.kill()
        await process.communicate()


async def pour(port: int, opening: bytes, block: bytes, total: int) -> tuple[int, bytes]:
    """Send `block` over and over. Returns how much was sent when the server had enough, and what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = asyncio.ensure_future(reader.read())
    sent = 0
    try:
        writer.write(opening)
        while sent < total and not heard.done():
            writer.write(block)
            sent += len(block)
            await writer.drain()
            await asyncio.sleep(0)
        return sent, await asyncio.wait_for(heard, 60)
    except ConnectionError:
        return sent, heard.result() if heard.done() and not heard.exception() else b""
    finally:
        heard.cancel()
        writer.transport.abort()


@pytest.mark.parametrize(
    ("opening", "block"),
    [
        (ENVELOPE, b"x" * 65_536),
        (ENVELOPE, b"X-Header: " + b"y" * 65_526),
        (ENVELOPE, b"Received: x\r\n" * 5_000),
        (ENVELOPE, b"\r\n" * 32_768),
        (ENVELOPE, b"\r\n.." * 16_384),
        (ENVELOPE.replace(b"DATA", b"BDAT 9999999999"), b"z" * 65_536),
        (b"", b"x" * 65_536),
        (b"EHLO ", b"x" * 65_536),
        (b"EHLO x\r\nMAIL FROM:<", b"@" * 65_536),
    ],
    ids=["line", "header", "received", "empty", "dots", "bdat", "greeting", "ehlo", "path"],
)
async def test_what_never_ends_costs_at_most_2_mb_and_is_cut(opening: bytes, block: bytes) -> None:
    async with daemon() as (port, pid):
        await pour(port, b"QUIT\r\n", b"", 0)  # what the first connection costs is not the attacker's doing
        before = resident_bytes(pid)
        sent, heard = await pour(port, opening, block, 10 * LIMIT_BYTES)
        assert resident_bytes(pid) - before <= GROWTH_BYTES
        assert sent < 3 * LIMIT_BYTES
        assert heard == b"" or heard.rstrip().rpartition(b"\n")[2][:3] in {b"552", b"554", b"500", b"501"}


async def pour_deaf(port: int) -> None:
    """Send commands for two seconds without reading one reply."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    message = ENVELOPE.replace(b"DATA", b"BDAT 1 LAST\r\nx")[:-2]
    try:
        async with asyncio.timeout(2):
            while True:
                writer.write(message * 1_000)
                await writer.drain()
    except (TimeoutError, ConnectionError):
        return
    finally:
        writer.transport.abort()


async def test_a_peer_that_reads_no_replies_costs_at_most_2_mb() -> None:
    async with daemon() as (port, pid):
        await pour(port, b"QUIT\r\n", b"", 0)
        await pour_deaf(port)  # what the first such peer makes the process load, and keep, is no growth
        # What such a peer costs, each of them does; what a task of the daemon loads for the first time meanwhile, once.
        assert min([await _cost_of_a_deaf_peer(port, pid) for _ in range(3)]) <= GROWTH_BYTES


async def _cost_of_a_deaf_peer(port: int, pid: int) -> int:
    before = resident_bytes(pid)
    await pour_deaf(port)
    return resident_bytes(pid) - before
