"""W9: headers that never end (slowloris), and one stranger who holds every connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from ipaddress import ip_network

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from maild.web.connection import Connection
from tests.forward import put_forward, turns

_REQUEST = b"GET / HTTP/1.1\r\nHost: maild\r\n\r\n"


class Frugal(Connection):
    """Frugal enough for a test; the time for a header is the real one, and the loop's is put forward."""

    share = 3


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/late":
        put_forward(Connection.header_s * 2)
        await turns()
    await PlainTextResponse("here")(scope, receive, send)


class Peer:
    """Someone at the other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.close = writer.close

    def say(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def answer(self) -> bytes:
        return await self._reader.readuntil(b"here")

    async def is_cut(self) -> bool:
        """Tell whether the connection ends with nothing said; waits until it ends."""
        try:
            return await self._reader.read(1) == b""
        except ConnectionError:
            return True

    async def drip(self, octets: bytes) -> bool:
        """Send an octet now and then; tell whether the connection ended before they were all sent."""
        cut = asyncio.create_task(self.is_cut())
        for octet in octets:
            self.say(bytes([octet]))
            await turns()
            put_forward(Connection.header_s / 6)
            if cut.done():
                return cut.result()
        cut.cancel()
        return False


@asynccontextmanager
async def site(protocol: type[Connection] = Frugal) -> AsyncIterator[int]:
    config = uvicorn.Config(page, lifespan="off", log_config=None, ws="none")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in state.connections:
            connection.transport.abort()
        await server.wait_closed()


async def peer(port: int, source: str = "127.0.0.1") -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))


async def test_who_says_nothing_is_cut() -> None:
    async with site() as port:
        with closing(await peer(port)) as silent:
            await turns()
            put_forward(Connection.header_s)
            assert await silent.is_cut()


async def test_a_header_that_comes_an_octet_at_a_time_is_cut() -> None:
    async with site() as port:
        with closing(await peer(port)) as slow:
            assert await slow.drip(b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000)


async def test_a_second_header_has_no_more_time_than_the_first() -> None:
    async with site() as port:
        with closing(await peer(port)) as slow:
            slow.say(_REQUEST)
            await slow.answer()
            assert await slow.drip(b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000)


async def test_an_answer_may_take_its_time() -> None:
    async with site() as port:
        with closing(await peer(port)) as patient:
            for _ in range(2):
                patient.say(_REQUEST.replace(b"/ ", b"/late ", 1))
                assert b"200 OK" in await patient.answer()


async def test_a_stranger_holds_only_a_share_of_the_connections() -> None:
    async with site() as port, AsyncExitStack() as held:
        for _ in range(Frugal.share):
            one = held.enter_context(closing(await peer(port, "127.0.0.2")))
            one.say(_REQUEST)
            await one.answer()
        with closing(await peer(port, "127.0.0.2")) as fourth, closing(await peer(port, "127.0.0.3")) as other:
            fourth.say(_REQUEST)
            assert await fourth.is_cut()
            other.say(_REQUEST)
            assert b"200 OK" in await other.answer()


@pytest.mark.parametrize(
    ("protocol", "source"),
    [(Frugal, "127.0.0.1"), (Frugal.behind((ip_network("127.0.0.2/32"),)), "127.0.0.2")],
    ids=["on this machine", "another that the settings name"],
)
async def test_the_proxy_has_no_share(protocol: type[Connection], source: str) -> None:
    async with site(protocol) as port, AsyncExitStack() as held:
        for _ in range(Frugal.share * 2):
            one = held.enter_context(closing(await peer(port, source)))
            one.say(_REQUEST)
            assert b"200 OK" in await one.answer()
