"""A server that does what it was told to, whatever it is asked: nothing, half of it, nonsense, too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[str]:
    """Serve a script on a free port of the loopback; yields the address."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.transport.abort()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything and never say a word."""
    while await reader.read(65_536):
        pass
    await asyncio.Event().wait()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Neither read nor write."""
    await asyncio.Event().wait()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up at once."""


async def close_midway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up when the mail has begun to come."""
    await reader.readexactly(20)


def say(answer: bytes, *, early: bool = False) -> Script:
    """Say this when something has come and close; `early`: before anything was read."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not early:
            await reader.read(65_536)
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        while await reader.read(65_536):
            pass

    return script


def http(content: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        status.encode(),
        len(content),
        content,
    )
