"""The next hop of a daemon that is killed while it sends: keeps a ledger of what it took, which survives every kill.

Without maild's code, like the oracle. It takes everything, a little slowly, so that kills meet every step.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Self

_KEY = re.compile(rb"^message-id:\s*<([^>\r\n]+)>", re.IGNORECASE | re.MULTILINE)
_AUTOMATIC = re.compile(rb"^auto-submitted:\s*auto-", re.IGNORECASE | re.MULTILINE)


@dataclass
class Taken:
    """One mail that was answered with 250. `went_on`: the sender said DATA or QUIT afterwards on the same connection.

    Who has said so has heard the 250; who is cut off before may not have.
    """

    key: str
    recipient: str
    automatic: bool
    went_on: bool = False


@dataclass
class Receiver:
    """Listens on a free port of the loopback; `taken` is the ledger, in the order of the 250s."""

    chance: random.Random = field(default_factory=lambda: random.Random(7))
    slowest_s: float = 0.4
    refuses: str = ""  # a domain at which nobody is known
    taken: list[Taken] = field(default_factory=list)
    busy: asyncio.Event = field(default_factory=asyncio.Event)  # somebody has connected since it was cleared
    connections: int = 0
    cut_off: int = 0  # without a goodbye
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.busy.set()
        try:
            await self._session(reader, writer, [])
        except (OSError, asyncio.IncompleteReadError):
            self.cut_off += 1
        finally:
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, had: list[Taken]) -> None:
        recipients: list[str] = []
        await self._say(writer, b"220 receiver ESMTP")
        while True:
            line = await reader.readuntil(b"\n")
            verb = line[:4].upper().strip()
            if verb in (b"DATA", b"QUIT"):
                for each in had:
                    each.went_on = True
            match verb:
                case b"QUIT":
                    await self._say(writer, b"221 2.0.0 bye")
                    return
                case b"EHLO":
                    await self._say(writer, b"250-receiver\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 DSN")
                case b"RCPT":
                    address = line.decode().partition("<")[2].partition(">")[0]
                    if self.refuses and address.endswith(f"@{self.refuses}"):
                        await self._say(writer, b"550 5.1.1 no such user")
                        continue
                    recipients.append(address)
                    await self._say(writer, b"250 2.1.5 ok")
                case b"DATA":
                    await self._say(writer, b"354 go on")
                    octets = await reader.readuntil(b"\r\n.\r\n")
                    await self._take(octets, recipients, had, writer)
                case _:
                    recipients.clear()
                    await self._say(writer, b"250 2.0.0 ok")

    async def _take(self, octets: bytes, recipients: list[str], had: list[Taken], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.chance.uniform(0, self.slowest_s))
        key = _KEY.search(octets)
        assert key is not None, octets[:2000]
        found = [Taken(key[1].decode(), each, bool(_AUTOMATIC.search(octets))) for each in recipients]
        self.taken += found  # it is kept, whether or not the sender hears of it
        had += found
        await self._say(writer, b"250 2.0.0 kept")

    async def _say(self, writer: asyncio.StreamWriter, text: bytes) -> None:
        await asyncio.sleep(self.chance.uniform(0, self.slowest_s / 20))
        writer.write(text + b"\r\n")
        await writer.drain()
