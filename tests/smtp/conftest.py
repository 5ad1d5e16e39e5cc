"""An SMTP server for each test, on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
import uvloop

from maild.smtp.limits import Limits
from maild.smtp.server import Server
from maild.smtp.tls import TlsFiles
from tests.smtp.room import Room, Wire, serving

Serve = Callable[..., Awaitable[Server]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test of this folder on both event loops: the two differ in buffering, closing and TLS."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
def room() -> Room:
    return Room()


@pytest_asyncio.fixture
async def start(room: Room) -> AsyncIterator[Serve]:
    """Start a server with other limits than the usual ones."""
    async with AsyncExitStack() as stack:

        async def begin(limits: Limits | None = None, tls: TlsFiles | None = None) -> Server:
            return await stack.enter_async_context(serving(room, limits, tls))

        yield begin


@pytest_asyncio.fixture
async def server(start: Serve, tls_files: TlsFiles) -> Server:
    return await start(tls=tls_files)


@pytest_asyncio.fixture
async def wire(server: Server) -> AsyncIterator[Wire]:
    async with Wire.open(server) as wire:
        yield wire
