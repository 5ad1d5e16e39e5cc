from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest
import structlog

from maild.smtp.limits import Limits
from maild.smtp.server import Server
from maild.smtp.session import Session
from tests.smtp.conftest import Serve
from tests.smtp.room import Room, Wire, eventually

STRANGER = "198.51.100.9"
LATE = Limits(greet_delay_s=0.05)


class Line(asyncio.Transport):
    """A transport to a peer whose address a test may choose; keeps what is written."""

    def __init__(self, ip: str) -> None:
        super().__init__({"peername": (ip, 4000)})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def connect(server: Server, ip: str) -> tuple[Session, Line]:
    session, line = server._connection(), Line(ip)
    session.connection_made(line)
    return session, line


async def test_a_stranger_is_greeted_late_and_served_like_everybody(start: Serve, room: Room) -> None:
    session, line = connect(await start(LATE), STRANGER)
    assert line.written == b""
    await eventually(lambda: line.written != b"")
    assert line.written.startswith(b"220 ")
    session.data_received(b"EHLO there.example\r\n")
    assert b"250 HELP" in line.written
    session.connection_lost(None)


async def test_who_speaks_before_the_greeting_is_refused_for_good_and_not_heard(start: Serve) -> None:
    with structlog.testing.capture_logs() as logs:
        session, line = connect(await start(LATE), STRANGER)
        session.data_received(b"EHLO there.example\r\nMAIL FROM:<a@there.example>\r\n")
        await eventually(lambda: line.closed)
    assert line.written == b"554 5.5.1 You spoke before the greeting: mail servers wait for it\r\n"
    assert [(entry["event"], entry["ip"]) for entry in logs] == [("smtp.early_talker", STRANGER)]
    session.connection_lost(None)


async def test_who_leaves_before_the_greeting_is_forgotten(start: Serve) -> None:
    server = await start(LATE)
    session, _ = connect(server, STRANGER)
    session.connection_lost(None)
    await eventually(lambda: server.connection_count == 0)


async def test_who_is_asked_to_leave_meanwhile_is_told_so(start: Serve) -> None:
    server = await start(LATE)
    session, line = connect(server, STRANGER)
    session.shut_down()
    await eventually(lambda: line.closed)
    assert line.written.endswith(b"421 4.3.2 Shutting down, try again later\r\n")
    session.connection_lost(None)


@pytest.mark.parametrize(
    ("limits", "ip"),
    [
        (Limits(), STRANGER),
        (Limits(greet_delay_s=60.0), "127.0.0.1"),
        (Limits(greet_delay_s=60.0), "::1"),
        (Limits(greet_delay_s=60.0, trusted_relays=(ip_network("198.51.100.0/24"),)), STRANGER),
    ],
)
async def test_nobody_of_our_own_is_delayed_and_without_a_delay_nobody_is(
    start: Serve, limits: Limits, ip: str
) -> None:
    session, line = connect(await start(limits), ip)
    assert line.written.startswith(b"220 ")
    session.connection_lost(None)


async def test_a_proxy_is_not_delayed(start: Serve) -> None:
    limits = Limits(greet_delay_s=60.0, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with Wire.open(await start(limits), greet=False) as wire:
        await wire.send(b"PROXY TCP4 198.51.100.9 192.0.2.1 40000 25\r\n")
        assert (await wire.reply()).startswith("220 ")
