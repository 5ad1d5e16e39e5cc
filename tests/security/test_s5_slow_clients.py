"""S5: peers that hold a place and do nothing with it.

Expected: each is told 421 and cut, whatever it does slowly; others are served meanwhile as if nothing was. The
limits are the real ones divided by a hundred.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from maild.smtp.limits import Limits
from maild.smtp.pace import Pace
from maild.smtp.server import Server
from maild.smtp.tls import TlsFiles
from tests.smtp.room import Room, Wire, eventually, serving

SHORT = Limits(
    command_s=0.6,
    content_idle_s=0.6,
    content_s=20.0,
    session_s=3.0,
    handshake_s=0.5,
    rate_window_s=0.6,
    min_rate_bytes_s=500,
    linger_s=0.2,
)
CUT_WITHIN_S = 8.0


async def dribble(wire: Wire, octets: bytes, every_s: float) -> bytes:
    """Send an octet now and then until the server has enough; returns what it said."""
    heard = asyncio.ensure_future(wire.reader.read())
    try:
        for position in range(10_000):
            wire.writer.write(octets[position % len(octets) :][:1])
            done, _ = await asyncio.wait([heard], timeout=every_s)
            if done:
                break
        async with asyncio.timeout(CUT_WITHIN_S):
            return await heard
    finally:
        heard.cancel()


@pytest.mark.parametrize("opening", ["", "EHLO x", "MAIL FROM:<a@b.example>"], ids=["greeted", "ehlo", "mail"])
async def test_a_peer_that_says_nothing_is_cut(opening: str) -> None:
    async with serving(Room(), SHORT) as server, Wire.open(server) as wire:
        if opening:
            await wire.say(opening)
        assert await wire.reply() == "421 4.4.2 Timeout, closing the connection"
        assert await wire.rest() == b""
        await eventually(lambda: server.connection_count == 0)


async def test_a_command_that_comes_octet_by_octet_is_cut() -> None:
    async with serving(Room(), SHORT) as server, Wire.open(server) as wire:
        assert await dribble(wire, b"N", 0.05) == b"421 4.4.2 Timeout, closing the connection\r\n"


async def test_content_slower_than_the_least_rate_is_cut() -> None:
    room = Room()
    async with serving(room, SHORT) as server, Wire.open(server) as wire:
        await wire.begin()
        assert await dribble(wire, b"x", 0.05) == b"421 4.4.2 Timeout, closing the connection\r\n"
    assert room.stored == []
    assert room.spools[0].discarded


async def test_a_session_that_never_hands_in_a_message_ends() -> None:
    async with serving(Room(), SHORT) as server, Wire.open(server) as wire:
        assert (await dribble(wire, b"NOOP\r\n", 0.03)).endswith(b"421 4.4.2 Timeout, closing the connection\r\n")


async def test_a_peer_that_never_closes_after_the_421_is_cut() -> None:
    async with serving(Room(), SHORT) as server, Wire.open(server, greet=False):
        await eventually(lambda: server.connection_count == 0)


async def test_half_a_tls_handshake_is_cut(tmp_path_factory: pytest.TempPathFactory) -> None:
    import trustme

    folder = tmp_path_factory.mktemp("tls")
    cert = trustme.CA().issue_cert("us.example")
    cert.private_key_pem.write_to_path(str(folder / "key.pem"))
    cert.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    files = TlsFiles(cert_file=folder / "cert.pem", key_file=folder / "key.pem")
    async with serving(Room(), SHORT, files) as server, Wire.open(server) as wire:
        await wire.say("EHLO x")
        await wire.say("STARTTLS")
        await wire.send(b"\x16\x03\x01")
        await wire.rest()
        await eventually(lambda: server.connection_count == 0)


def test_pace_knows_slow_from_idle_and_from_endless() -> None:
    limits = Limits()
    pace = Pace(limits, 0.0, 0)
    sizes = [(second, second * 600) for second in range(0, 3_600, 10)]
    assert not any(pace.late(float(now), size) for now, size in sizes)
    assert pace.late(3_600.0, 3_600 * 600)
    pace = Pace(limits, 0.0, 0)
    assert [pace.late(float(now), now * 400) for now in (10, 50, 59, 60)] == [False, False, False, True]
    pace = Pace(limits, 0.0, 1_000_000)
    assert not pace.late(1.0, 1_100_000)
    assert not pace.late(60.9, 1_100_000)
    assert pace.late(61.0, 1_100_000)


async def one_message(server: Server) -> float:
    begun = time.perf_counter()
    async with Wire.open(server) as wire:
        await wire.begin()
        await wire.send(b"x" * 4_000 + b"\r\n.\r\n")
        assert (await wire.reply()).startswith("250")
    return time.perf_counter() - begun


async def test_others_are_served_while_500_do_nothing() -> None:
    limits = Limits(max_connections=600, max_connections_loopback=600)
    async with serving(Room(), limits) as server:
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(500)]
        try:
            for _, writer in slow:
                writer.write(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<kita@us.example>\r\nDATA\r\nx")
            times = sorted([await one_message(server) for _ in range(40)])
            assert times[37] < 2.0
        finally:
            for _, writer in slow:
                writer.transport.abort()
