"""O3: a domain's DNS leads mail into our own network.

Expected: nothing is connected to that is not on the public Internet, however the address is written, unless the
settings allow its network; the delivery fails at once, in sight. The address that was checked is the one connected to.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from itertools import count

import pytest

from maild.archive.database import Database
from maild.delivery.dialogue import Timeouts
from maild.delivery.hosts import Hosts, Target, Unroutable
from maild.delivery.networks import may_connect
from maild.delivery.smtp_courier import SmtpCourier
from maild.delivery.tls import OPPORTUNISTIC, Contexts
from maild.dns.answer import Answer, Kind, Status
from tests.authentication.zone import Zone
from tests.delivery.post import Post, out

CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.1.2.3",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.8", "192.0.0.170", "192.0.2.1",
    "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.254", "192.175.48.1", "198.18.0.1",
    "198.19.255.254", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:7f00:1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::192.168.1.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:ffff::10.0.0.1", "100::1", "2001::1", "2001:0:7f00:1::",
    "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1", "2002:c0a8:101::1",
    "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "5f00::1", "4000::1",
    "localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "",
]  # fmt: skip
OPEN = ["8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "1.1.1.1",
        "192.0.1.1",
        "2a00:1450::1", "2001:4860:4860::8888", "2600::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]  # fmt: skip


def test_the_table_has_sixty_addresses() -> None:
    assert len(set(CLOSED)) == len(CLOSED) >= 60


@pytest.mark.parametrize("address", CLOSED)
def test_a_closed_address_is_not_connected_to(address: str) -> None:
    assert not may_connect(address)


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_connected_to(address: str) -> None:
    assert may_connect(address)


def test_only_what_is_allowed_is_let_through() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert may_connect("10.1.2.3", allowed)
    assert may_connect("::ffff:10.1.2.3", allowed)
    assert may_connect("fd00::1", allowed)
    assert not may_connect("10.2.0.1", allowed)
    assert not may_connect("fe80::1", allowed)


@pytest.mark.parametrize(
    "domain", ["by-mx.example", "by-name.example", "by-alias.example", "[127.0.0.1]", "[ipv6:::1]", "[10.0.0.1]"]
)
async def test_a_domain_that_leads_inside_fails_at_once(domain: str, sqlite_database: Database) -> None:
    connected = 0

    async def accept(_reader: object, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        writer.close()

    zone = Zone({
        "by-mx.example": {Kind.MX: [(1, "inside.example")]},
        "inside.example": {Kind.A: ["127.0.0.1", "10.0.0.1"], Kind.AAAA: ["::1"]},
        "by-name.example": {Kind.A: ["127.0.0.1"]},
        "by-alias.example": {Kind.CNAME: ["inside.example"]},
    })  # fmt: skip
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        hosts = Hosts(zone, chance=lambda: 0.5, port=port)
        courier = SmtpCourier(hosts, helo="x", contexts=Contexts())
        message_id = out(sqlite_database, (f"a@{domain}",))
        post = Post(sqlite_database, couriers={"smtp": courier})
        await post.turn()
        (found,) = post.deliveries(message_id)
    assert (found.state, found.outcome[:5], connected) == ("failed", "5.4.4", 0)


async def test_a_host_with_one_public_address_is_reached_by_that_one() -> None:
    zone = Zone({"mixed.example": {Kind.A: ["10.0.0.1", "8.8.8.8", "127.0.0.1"]}})
    hosts = Hosts(zone, chance=lambda: 0.5)
    assert [target.address for target in await hosts.of("mixed.example")] == ["8.8.8.8"]


class _Rebinding:
    """Says a public address first, and an inner one whenever it is asked again."""

    def __init__(self) -> None:
        self.turns = count()

    async def ask(self, name: str, kind: Kind) -> Answer:
        if kind is not Kind.A:
            return Answer(Status.NO_DATA)
        return Answer(Status.FOUND, ("8.8.8.8",) if next(self.turns) == 0 else ("127.0.0.1",))


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    resolver = _Rebinding()
    hosts = Hosts(resolver, chance=lambda: 0.5)
    assert [target.address for target in await hosts.of("rebinding.example")] == ["8.8.8.8"]
    with pytest.raises(Unroutable):
        await hosts.of("rebinding.example")


async def test_it_is_asked_again_at_the_moment_of_connecting() -> None:
    hosts = Hosts(Zone({}), chance=lambda: 0.5)
    courier = SmtpCourier(hosts, helo="x", contexts=Contexts(), timeouts=Timeouts(connect_s=0.01))
    inside = Target(host="inside.example", address="127.0.0.1", port=9)
    with pytest.raises(Exception, match="public Internet"):
        await courier._connected(inside, OPPORTUNISTIC)
