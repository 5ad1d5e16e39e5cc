"""S6: more connections than one peer needs.

Expected: 20 from an address, 50 from a network, 1,000 in all, and a 421 at once for the rest; others are not
affected, and who left makes room. Neither does it help to come and go: a network begins so many in a minute.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from ipaddress import ip_network

import pytest

from maild.smtp.limits import CLIENT_FULL, Census, Limits, network_of
from maild.smtp.server import Server
from tests.smtp.room import Room, Wire, eventually, serving

PROXY = Limits(trusted_proxies=(ip_network("127.0.0.0/8"),), linger_s=0.2)


async def greeting(server: Server, ip: str, wires: list[Wire]) -> str:
    """Connect as `ip`, as a trusted load balancer says; the connection stays."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
    wires.append(wire)
    family = "TCP6" if ":" in ip else "TCP4"
    await wire.send(f"PROXY {family} {ip} {ip} 40000 25\r\n".encode())
    return (await wire.reply())[:9]


async def test_a_flood_from_one_network_leaves_the_others_alone() -> None:
    async with serving(Room(), PROXY) as server:
        wires: list[Wire] = []
        try:
            first = [await greeting(server, "192.0.2.1", wires) for _ in range(25)]
            assert first == ["220 mx.us"] * 20 + ["421 4.7.0"] * 5
            second = [await greeting(server, f"192.0.2.{n}", wires) for n in range(2, 40)]
            assert second == ["220 mx.us"] * 30 + ["421 4.7.0"] * 8
            assert await greeting(server, "198.51.100.1", wires) == "220 mx.us"
            sixth = [await greeting(server, f"2001:db8::{n}", wires) for n in range(1, 53)]
            assert sixth == ["220 mx.us"] * 50 + ["421 4.7.0"] * 2
            assert await greeting(server, "2001:db8:0:1::1", wires) == "220 mx.us"
            await wires[0].close()
            await eventually(lambda: server.connection_count == 20 + 30 + 1 + 50 + 1 - 1)
            assert await greeting(server, "192.0.2.1", wires) == "220 mx.us"
        finally:
            for wire in wires:
                await wire.close()


async def test_whoever_is_too_many_is_told_at_once() -> None:
    async with serving(Room(), Limits(max_connections=30)) as server:
        wires: list[Wire] = []
        try:
            for n in range(200):
                wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
                wires.append(wire)
                reply = await wire.reply()
                assert reply.startswith("220 " if n < 30 else "421 4.3.2 "), n
            assert server.connection_count == 30
        finally:
            for wire in wires:
                await wire.close()
        await eventually(lambda: server.connection_count == 0)
        async with Wire.open(server):
            pass


async def test_whoever_comes_and_goes_all_the_time_is_slowed_down_and_others_are_not() -> None:
    limits = Limits(max_connections_per_minute=30, trusted_proxies=PROXY.trusted_proxies, linger_s=0.2)
    async with serving(Room(), limits) as server:

        async def come_and_go(ip: str) -> str:
            wires: list[Wire] = []
            try:
                return await greeting(server, ip, wires)
            finally:
                for wire in wires:
                    await wire.close()

        replies = [await come_and_go(f"192.0.2.{n % 9}") for n in range(40)]
        assert replies == ["220 mx.us"] * 30 + ["421 4.7.0"] * 10
        assert await come_and_go("198.51.100.1") == "220 mx.us"


def test_after_a_minute_a_network_may_come_again() -> None:
    census = Census(Limits(max_connections_per_minute=2))
    for minute in range(3):
        now = 100.0 + 60.0 * minute
        assert [census.enter("192.0.2.1", now + second) for second in (0, 30, 59.9)] == [None, None, CLIENT_FULL]
    assert [census.enter("127.0.0.1", 0.0) for _ in range(9)] == [None] * 9


def test_census_forgets_whoever_left() -> None:
    census = Census(Limits(max_connections_per_ip=2, max_connections_per_network=3))
    ips = ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
    assert [census.enter(ip, 0.0) for ip in [*ips, "192.0.2.3"]] == [None, None, None, CLIENT_FULL]
    for ip in ips:
        census.leave(ip)
    assert not census._ips
    assert not census._networks


@pytest.mark.parametrize(
    ("ip", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_network_of_puts_neighbours_together(ip: str, other: str, *, same: bool) -> None:
    assert (network_of(ip) == network_of(other)) is same


STARVED = """
import asyncio, resource, structlog, sys, time, uvloop
from maild.smtp.limits import Limits
from tests.smtp.room import Room, serving

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    async with serving(Room(), Limits()) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        before = time.process_time()
        await asyncio.sleep(2)
        print(time.process_time() - before, server.connection_count, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(), loop_factory=uvloop.new_event_loop) if sys.version_info >= (3, 12) else uvloop.run(main())
"""


async def is_greeted(port: int) -> bool:
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    try:
        return (await wire.reply()).startswith("220 ")
    except ConnectionError:
        return False
    finally:
        await wire.close()


async def test_connections_leave_half_of_the_file_descriptors_to_others() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wires: list[Wire] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        async with serving(Room(), Limits()) as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            replies = []
            for _ in range(103):
                wires.append(Wire(*await asyncio.open_connection("127.0.0.1", server.port)))
                replies.append((await wires[-1].reply())[:9])
            assert replies == ["220 mx.us"] * 100 + ["421 4.3.2"] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for wire in wires:
            await wire.close()


async def test_without_file_descriptors_nothing_spins_and_others_come_back_in() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARVED, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    held: list[asyncio.StreamWriter] = []
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 60))
        held += [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(80)]
        process.stdin.write(b"\n")
        seconds, count = (await asyncio.wait_for(process.stdout.readline(), 60)).split()
        assert float(seconds) < 0.4, "more than 20 % of a core while starved"
        assert int(count) > 10
        for writer in held:
            writer.transport.abort()
        held.clear()
        async with asyncio.timeout(60):
            while not await is_greeted(port):
                pass
    finally:
        for writer in held:
            writer.transport.abort()
        process.kill()
        await process.communicate()
