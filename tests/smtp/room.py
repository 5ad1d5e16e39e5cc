"""A reception that one can read, and a client that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from maild.mail.address import Address
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.reception import SpoolLike
from maild.smtp.server import Server, serve
from maild.smtp.tls import TlsFiles

STORED = Reply(code=250, enhanced="2.0.0", text="Ok: stored as 0000000000000")
UNKNOWN = Reply(code=550, enhanced="5.1.1", text="Nobody here receives mail for this address")
FOREIGN = Reply(code=550, enhanced="5.7.1", text="Mail for this domain is not accepted here")
DEADLINE_S = 60.0


class MemorySpool:
    """Keeps the octets, and counts how often it was thrown away."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self.discarded = False
        self.broken: Exception | None = None
        self.undiscardable: Exception | None = None  # raised once

    @property
    def size(self) -> int:
        return len(self.octets)

    def write(self, data: bytes, /) -> None:
        assert data, "a spool is never given nothing"
        if self.broken:
            raise self.broken
        self.octets += data

    def discard(self) -> None:
        self.discarded = True
        self.octets.clear()
        error, self.undiscardable = self.undiscardable, None
        if error:
            raise error


@dataclass(kw_only=True)
class Stored:
    envelope: Envelope
    content: bytes


@dataclass
class Room:
    """Serves `us.example`, where `kita` and `postmaster` receive; keeps everything."""

    stored: list[Stored] = field(default_factory=list)
    spools: list[MemorySpool] = field(default_factory=list)
    refusal: Reply | None = None
    broken: Exception | None = None
    spool_error: Exception | None = None
    discard_error: Exception | None = None
    gate: asyncio.Event | None = None  # when given, accept waits for it
    accepting: int = 0

    def ready(self, size: int | None) -> Reply | None:
        del size
        return self.refusal

    def admit(self, address: Address, reverse_path: Address | None) -> Reply:
        del reverse_path
        if address.domain not in {"us.example", ""}:
            return FOREIGN
        if address.local.lower().partition("+")[0] in {"kita", "postmaster", "grüße"}:
            return Reply(code=250, enhanced="2.1.5", text="Ok")
        if address.local.startswith("many."):
            return Reply(code=250, enhanced="2.1.5", text="Ok")
        return UNKNOWN

    def spool(self) -> SpoolLike:
        spool = MemorySpool()
        spool.broken = self.spool_error
        spool.undiscardable = self.discard_error
        self.spools.append(spool)
        return spool

    async def accept(self, envelope: Envelope, spool: SpoolLike) -> Reply:
        assert isinstance(spool, MemorySpool)
        self.accepting += 1
        if self.gate:
            await self.gate.wait()
        if self.broken:
            raise self.broken
        self.stored.append(Stored(envelope=envelope, content=bytes(spool.octets)))
        return STORED


@asynccontextmanager
async def serving(
    room: Room,
    limits: Limits | None = None,
    tls: TlsFiles | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Server]:
    """Run a server for `room` on a free port of the loopback."""
    server = await serve("127.0.0.1:0", room, limits or Limits(), "mx.us.example", tls, clock=clock)
    try:
        yield server
    finally:
        await server.close()
        await eventually(lambda: server.connection_count == 0)


class Wire:
    """A raw SMTP client: octets out, replies in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, server: Server, *, greet: bool = True, host: str = "127.0.0.1") -> AsyncIterator[Wire]:
        """Connect to a server; `greet` reads its greeting."""
        wire = cls(*await asyncio.open_connection(host, server.port))
        try:
            if greet:
                assert (await wire.reply()).startswith("220 ")
            yield wire
        finally:
            await wire.close()

    async def line(self) -> str:
        """Return the next line without its line end; "" at the end."""
        async with asyncio.timeout(DEADLINE_S):
            return (await self.reader.readline()).decode("ascii").rstrip("\r\n")

    async def reply(self) -> str:
        """Return the next reply, its lines joined by LF; "" at the end."""
        lines = [await self.line()]
        while lines[-1][3:4] == "-":
            lines.append(await self.line())
        return "\n".join(lines)

    async def send(self, octets: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            self.writer.write(octets)
            await self.writer.drain()

    async def say(self, line: str) -> str:
        await self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def begin(self, *, sender: str = "a@there.example", to: str = "kita@us.example") -> None:
        """Go as far as DATA's 354."""
        for line, code in (("EHLO there.example", "250"), (f"MAIL FROM:<{sender}>", "250"), (f"RCPT TO:<{to}>", "250")):
            assert (await self.say(line)).startswith(code)
        assert (await self.say("DATA")).startswith("354")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        assert (await self.say("STARTTLS")).startswith("220")
        await self.writer.start_tls(context, server_hostname="us.example")

    async def rest(self) -> bytes:
        """Return whatever comes until the other side closes."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.read()

    async def close(self) -> None:
        """Be gone, whatever state the dialogue is in."""
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()


async def eventually(condition: Callable[[], bool], *, within_s: float = DEADLINE_S) -> None:
    """Wait for a condition with a deadline."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the condition is the server's, and tells nobody when it changes
            await asyncio.sleep(0.005)
