"""A client's side of one SMTP or LMTP connection: lines out, replies in, each within its time.

Promises: a reply is whole or it is none; what the other server says is bounded; whatever ends a connection (time, a
reset, its end, a reply that is none) is `Lost`. After STARTTLS nothing counts that was said in the clear.

Source: RFC 5321 §4.2, §4.5.3.1.5, §4.5.3.2; RFC 3207 §5, §6.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from maild.delivery.certificates import shown_chain
from maild.delivery.outcome import SmtpReply, shown
from maild.delivery.patience import Patience

T = TypeVar("T")
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
_MOST_OCTETS = 32_768  # of one reply
_READ = 65_536
_LATE = "it did not answer in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for each step (RFC 5321 §4.5.3.2)."""

    connect_s: float = 30.0
    banner_s: float = 300.0
    hello_s: float = 300.0
    tls_s: float = 120.0
    login_s: float = 120.0
    mail_s: float = 300.0
    recipient_s: float = 300.0
    data_s: float = 120.0
    block_s: float = 180.0
    end_s: float = 600.0


class Lost(Exception):  # noqa: N818 - what happened to a connection
    """The connection is of no more use."""


class Dialogue:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._patience = Patience(self.abort)

    async def reply(self, within_s: float) -> SmtpReply:
        """Read one reply; the time is for all of it, however slowly it comes. Raises Lost."""
        # Of replies to commands that went together the later ones are mostly there: nobody waits for these.
        here = self._here()
        return await self._within(self._reply(), within_s) if here is None else here

    def put(self, *lines: str) -> None:
        """Send commands whose replies are asked for later, with `say("")`. Raises Lost."""
        # Security: a line end within would be a command of somebody else's.
        if any(c in line for line in lines for c in "\r\n\0"):
            raise Lost("a command of ours would have been two")
        self._write("".join(f"{line}\r\n" for line in lines).encode())

    async def say(self, line: str, within_s: float) -> SmtpReply:
        """Send a command and read its reply; "": only read the next reply. Raises Lost."""
        if not line:
            return await self.reply(within_s)
        self.put(line)
        return await self._within(self._answered(), within_s)

    async def send(self, octets: bytes, within_s: float) -> None:
        """Send octets of content; waits until the other side takes them. Raises Lost."""
        self._write(octets)
        await self._within(self._writer.drain(), within_s)

    async def start_tls(self, context: ssl.SSLContext, host: str, within_s: float) -> str:
        """Turn to TLS after the reply to STARTTLS; return its version. Raises Lost."""
        if self._buffer:
            # Security: whoever stands between may have put commands' replies there (RFC 3207 §6).
            raise Lost("it said more before TLS began")
        handshake = self._writer.start_tls(context, server_hostname=host, ssl_handshake_timeout=within_s)
        try:
            await _bounded(handshake, within_s)
        except ValueError as error:
            raise Lost("its name is none that a certificate could have") from error
        return self.tls_version

    @property
    def tls_version(self) -> str:
        """The version of TLS in use, "" for none."""
        session = self._writer.get_extra_info("ssl_object")
        return "" if session is None else session.version() or ""

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """What the other server has shown (DER), its own first; nothing of it is verified by being here."""
        session = self._writer.get_extra_info("ssl_object")
        return () if session is None else shown_chain(session)

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and nothing was said that nobody asked for."""
        # Nothing public tells that octets have come; `at_eof` is true only when none are left.
        waiting = self._buffer or getattr(self._reader, "_buffer", None)
        return not (waiting or self._reader.at_eof() or self._writer.is_closing())

    def leave(self) -> None:
        """Say goodbye without waiting for an answer, and close."""
        with contextlib.suppress(OSError, RuntimeError, ssl.SSLError):
            self._writer.write(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        self._patience.close()
        with contextlib.suppress(OSError, RuntimeError, ssl.SSLError):
            self._writer.close()

    def abort(self) -> None:
        """Cut the connection at once: what was not sent stays unsent."""
        self._patience.close()
        self._writer.transport.abort()

    def _write(self, octets: bytes) -> None:
        try:
            self._writer.write(octets)
        except (OSError, RuntimeError) as error:
            # Interop: uvloop raises where asyncio's own loop lets a write to a closed connection pass.
            raise Lost("it closed the connection") from error

    async def _within(self, waiting: Awaitable[T], within_s: float) -> T:
        try:
            with self._patience.within(within_s):
                return await waiting
        except (OSError, RuntimeError) as error:
            raise (Lost(_LATE) if self._patience.ended else _lost(error)) from error
        except Lost:
            if self._patience.ended:
                raise Lost(_LATE) from None
            raise

    def _here(self) -> SmtpReply | None:
        """Return a reply of one line that has come already."""
        end = self._buffer.find(b"\n")
        match = _REPLY_LINE.fullmatch(bytes(self._buffer[:end]).rstrip(b"\r")) if end >= 0 else None
        if match is None or match[2] == b"-":
            return None
        del self._buffer[: end + 1]
        return SmtpReply(int(match[1]), (_text(match),))

    async def _answered(self) -> SmtpReply:
        await self._writer.drain()
        return await self._reply()

    async def _reply(self) -> SmtpReply:
        code, lines, size = 0, [], 0
        while True:
            octets = await self._line()
            size += len(octets)
            match = _REPLY_LINE.fullmatch(octets)
            if match is None or (code and int(match[1]) != code) or size > _MOST_OCTETS:
                raise Lost(f"it does not speak SMTP: {shown(octets[:80].decode('utf-8', 'replace'))}")
            code = int(match[1])
            lines.append(_text(match))
            if match[2] != b"-":
                return SmtpReply(code, tuple(lines))

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MOST_OCTETS:
                raise Lost("it does not speak SMTP: a line without end")
            octets = await self._reader.read(_READ)
            if not octets:
                raise Lost("it closed the connection")
            self._buffer += octets
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r")


def _text(match: re.Match[bytes]) -> str:
    return (match[3] or b"").decode("utf-8", "replace")


async def _bounded(waiting: Awaitable[T], within_s: float) -> T:
    try:
        async with asyncio.timeout(within_s):
            return await waiting
    except TimeoutError as error:
        raise Lost(_LATE) from error
    except (OSError, RuntimeError) as error:
        raise _lost(error) from error


def _lost(error: Exception) -> Lost:
    if isinstance(error, ssl.SSLError):
        return Lost(f"TLS failed: {shown(error.reason or type(error).__name__)}")
    if isinstance(error, ConnectionResetError):
        return Lost("it reset the connection")
    if isinstance(error, RuntimeError):
        return Lost("it closed the connection")
    return Lost(f"the connection failed: {shown(getattr(error, 'strerror', '') or type(error).__name__)}")


async def connect(
    address: str, port: int, within_s: float, tls: ssl.SSLContext | None = None, host: str = ""
) -> Dialogue:
    """Open a connection to a numeric address, or to the socket at a path; with `tls`, encrypted from the start.

    Raises Lost.
    """
    if address.startswith("/"):
        opening = asyncio.open_unix_connection(address)
    elif tls is None:
        opening = asyncio.open_connection(address, port)
    else:
        opening = asyncio.open_connection(address, port, ssl=tls, server_hostname=host)
    reader, writer = await _bounded(opening, within_s)
    return Dialogue(reader, writer)
