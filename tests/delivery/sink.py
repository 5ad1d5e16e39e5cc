"""A mail server that does as it is told, and keeps what it has taken.

    async with Sink(fault="hang", at="dot") as sink:
        ...
        sink.heal()

Stages: connect, banner, ehlo, starttls, handshake, auth, mail, rcpt (the first recipient only, for replies), data,
content, dot (nothing is kept), after (the message is kept, and then it goes wrong). Faults: 4xx, 5xx, 421 (replies),
hang, reset, slow (octets of the reply one by one, with `pace_s` between them), noise (something that is no reply), tls
(a record that nobody can decrypt, once there is TLS).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Self

from tests.forward import put_forward, turns

REPLIES = {"4xx": "450 4.2.0 not now", "5xx": "550 5.1.1 never", "421": "421 4.3.2 closing"}
_GOOD = {"banner": "220 sink ESMTP", "mail": "250 2.1.0 ok", "rcpt": "250 2.1.5 ok", "data": "354 go on",
         "dot": "250 2.0.0 kept", "starttls": "220 2.0.0 go on", "auth": "235 2.7.0 welcome"}  # fmt: skip


@dataclass
class Mail:
    """What was taken: the envelope as it was said, and the octets with their dots undone."""

    sender: str
    recipients: list[str]
    octets: bytes
    wire: bytes
    tls: bool


@dataclass
class Sink:
    fault: str = ""
    at: str = ""
    tls: ssl.SSLContext | None = None
    lmtp: bool = False
    lax: bool = False  # believes that a bare LF ends lines, and that LF . LF ends a message
    pace_s: float = 0.05
    forward_s: float = 0.0  # by so much the loop's time is put forward when the other side waits for what does not come
    offers: tuple[str, ...] = ("8BITMIME", "SIZE 35000000", "SMTPUTF8", "DSN")
    auth: str = ""
    path: str = ""
    refused: frozenset[str] = frozenset()  # recipients refused for good, whatever else is told
    spared: int = 0  # so many messages are taken before anything goes wrong
    most: int = 0  # messages on a connection, then it is closed without a word; 0: any number
    mails: list[Mail] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def heal(self) -> None:
        self.fault = ""

    async def __aenter__(self) -> Self:
        if self.path:
            self._server = await asyncio.start_unix_server(self._accepted, self.path)
        else:
            bound = socket.socket()
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            bound.bind(("127.0.0.1", 0))
            self._server = await asyncio.start_server(self._accepted, sock=bound)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, _Over):
                await _Session(self, reader, writer).run()
        finally:
            with contextlib.suppress(ConnectionError, RuntimeError):
                writer.close()


class _Over(Exception):  # noqa: N818 - the session is over
    pass


class _Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.number = sink.connections
        self.sender, self.recipients = "", [""][:0]
        self.encrypted = False
        self.seen = False  # the recipient that is refused
        self.taken = 0

    async def run(self) -> None:
        await self.stage("connect", "")
        await self.stage("banner", _GOOD["banner"])
        while True:
            line = (await self.reader.readuntil(b"\n")).rstrip(b"\r\n").decode()
            self.sink.said.append(line)
            verb = line[:4].upper()
            if verb in ("EHLO", "HELO", "LHLO"):
                await self.stage("ehlo", self.greeting(line))
            elif line.upper() == "STARTTLS":
                await self.start_tls()
            elif verb == "AUTH":
                await self.sign_in(line)
            elif verb == "MAIL":
                self.sender, self.recipients = line, []
                await self.stage("mail", _GOOD["mail"])
            elif verb == "RCPT":
                await self.recipient(line)
            elif verb == "DATA":
                await self.data()
                self.taken += 1
                if self.taken == self.sink.most:
                    return
            elif verb == "QUIT":
                return
            else:
                await self.say("500 5.5.1 what?")

    def greeting(self, line: str) -> str:
        if line[:4].upper() == "HELO":
            return "250 sink"
        offers = list(self.sink.offers)
        if self.sink.tls is not None and not self.encrypted:
            offers.append("STARTTLS")
        if self.sink.auth:
            offers.append(f"AUTH {self.sink.auth}")
        lines = ["sink", *offers]
        return "\r\n".join(f"250{' ' if n == len(lines) - 1 else '-'}{text}" for n, text in enumerate(lines))

    @property
    def fault(self) -> str:
        return self.sink.fault if len(self.sink.mails) >= self.sink.spared else ""

    async def start_tls(self) -> None:
        await self.stage("starttls", _GOOD["starttls"])
        if self.sink.at == "handshake" and self.sink.fault:
            await self.stage("handshake", "nothing of the kind")
        assert self.sink.tls is not None
        await self.writer.start_tls(self.sink.tls)
        self.encrypted = True

    async def sign_in(self, line: str) -> None:
        if line.upper() == "AUTH LOGIN":
            for prompt in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                await self.say(f"334 {prompt}")
                self.sink.said.append((await self.reader.readuntil(b"\n")).decode().strip())
        await self.stage("auth", _GOOD["auth"])

    async def recipient(self, line: str) -> None:
        address = line.partition("<")[2].partition(">")[0]
        if address in self.sink.refused:
            await self.say("550 5.1.1 no such user")
            return
        if not self.recipients or self.fault not in REPLIES:
            healthy = not (self.sink.at == "rcpt" and self.fault in REPLIES)
            first, self.seen = not self.seen, self.seen or not healthy
            if healthy or first:
                await self.stage("rcpt", _GOOD["rcpt"])
                if not healthy:
                    return
                self.recipients.append(address)
                return
        self.recipients.append(address)
        await self.say(_GOOD["rcpt"])

    async def data(self) -> None:
        await self.stage("data", _GOOD["data"])
        if not (self.sink.at == "data" and self.fault in (*REPLIES, "noise")):
            octets, wire = await self.content()
            mail = Mail(self.sender, list(self.recipients), octets, wire, self.encrypted)
            if self.sink.at == "after" and self.fault:
                self.sink.mails.append(mail)
                await self.stage("after", "")
                return
            replies = len(self.recipients) if self.sink.lmtp else 1
            for number in range(replies):
                broken = self.sink.at == "dot" and self.fault and number == 0
                if not broken:
                    kept = mail.recipients if not self.sink.lmtp else [mail.recipients[number]]
                    self.sink.mails.append(Mail(mail.sender, kept, octets, wire, self.encrypted))
                await (self.stage("dot", _GOOD["dot"]) if broken else self.say(_GOOD["dot"]))

    async def content(self) -> tuple[bytes, bytes]:
        wire, lines = bytearray(), list[bytes]()
        while True:
            line = await self.reader.readuntil(b"\n")
            wire += line
            if self.sink.at == "content" and self.fault:
                await self.stage("content", "")
            if line == b".\r\n" or (self.sink.lax and line.replace(b"\0", b"").strip(b"\r\n") == b"."):
                return b"".join(lines), bytes(wire)
            lines.append(line.removeprefix(b"."))

    async def stage(self, name: str, good: str) -> None:
        """Say the good reply of a stage, or what is to go wrong there."""
        fault = self.fault if name == self.sink.at else ""
        if not fault or (fault == "tls" and not self.encrypted):
            if good:
                await self.say(good)
            return
        if fault == "hang":
            await self.say_nothing()
        if fault == "reset":
            self.reset()
            raise _Over
        if fault == "slow":
            await self.slowly(good or "250 ok")
            return
        if fault == "noise":
            self.writer.write(b"\x16\x03 HTTP/1.1 400 Bad Request\r\n\r\n")
            await self.writer.drain()
            raise _Over
        if fault == "tls":
            os.write(self.writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x40" + bytes(64))
            await self.say_nothing()
        await self.say(REPLIES[fault])
        if fault == "421":
            raise _Over

    async def slowly(self, text: str) -> None:
        for octet in text.encode() + b"\r\n":
            self.writer.write(bytes([octet]))
            await self.writer.drain()
            if self.sink.forward_s:
                await turns()
                if not self.is_left():
                    put_forward(self.sink.forward_s / 4)
            else:
                await asyncio.sleep(self.sink.pace_s)

    def is_left(self) -> bool:
        """Tell whether the other side has gone, or come back on another connection; what it said may lie here yet."""
        gone = self.reader._eof or self.reader.exception() is not None  # type: ignore[attr-defined]
        return gone or self.sink.connections != self.number

    async def say_nothing(self) -> None:
        # Its wait may begin later. Put forward too often, the whole session would be over; whoever is told good things
        # again is not to be hurried.
        for pause in range(10 if self.sink.forward_s else 0):
            await turns()
            await asyncio.sleep(0.001 * 2**pause)
            if self.sink.fault and not self.is_left():
                put_forward(self.sink.forward_s)
        await asyncio.Event().wait()

    async def say(self, text: str) -> None:
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
