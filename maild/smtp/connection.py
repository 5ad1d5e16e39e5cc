"""One connection: octets in, lines out of them, replies, deadlines, and its end.

A subclass of aiosmtpd's protocol. What it replaces is what made that slow or unbounded: its constructor (which
inspects itself for every connection), the stream reader, a timer per command, a drain per reply, the cancelling of
the handler when the peer goes away. One task serves a connection; it runs as long as there are whole lines, and
writes its replies when it has to wait.

Source: RFC 5321 §3.8, §4.1.1, §4.5.3.2; RFC 2920 (pipelining).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import NoReturn, cast

import structlog
from aiosmtpd.smtp import SMTP

from maild.mail.envelope import Tls
from maild.mail.reply import Reply
from maild.smtp.content import ChunkReader, DataReader
from maild.smtp.limits import canonical_ip
from maild.smtp.pace import Pace
from maild.smtp.proxy import Origin, ProxyError, parse_proxy
from maild.smtp.service import GoneError, Phase, Service

LINE_LIMIT = 4_096  # octets of a command; RFC 3461 needs 1,036, RFC 5321 512
_SKIP_LIMIT = 65_536  # octets of a line that is too long, before we hang up
_BUFFER_LIMIT = 65_536  # octets ahead of what the session has dealt with, before we stop reading
_LINES_PER_TURN = 50  # commands dealt with before other connections get their turn
_NEVER = float("inf")

SHUTTING_DOWN = Reply(code=421, enhanced="4.3.2", text="Shutting down, try again later")
_SLOW = Reply(code=421, enhanced="4.4.2", text="Timeout, closing the connection")
_LONG_LINE = Reply(code=500, enhanced="5.5.2", text="Line too long")

_log = structlog.get_logger()


class Connection(SMTP):
    """The mechanics; `Session` adds the dialogue."""

    def __init__(self, service: Service) -> None:
        """Prepare for `connection_made`. The constructors of the base classes are left out on purpose."""
        self.service = service
        self.limits = service.limits
        self.phase = Phase.COMMAND
        self.ip = ""
        self.port = 0
        self.counted_ip: str | None = None  # as the registry counts it
        self.draining = False
        self._wire: asyncio.Transport | None = None
        self._buffer = b""
        self._start = 0
        self._out: list[bytes] = []
        self._content: ChunkReader | DataReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._eof = False
        self._lost = False
        self._reading_paused = False
        self._writing_paused = False
        self._lines = 0
        self._holders = 1  # the transport, and later the task
        self._runner: asyncio.Task[None] | None = None
        self._deadline = _NEVER
        self._progress_at = 0.0
        self._pace: Pace | None = None  # made when the timer first sees a message on its way: most are faster

    # --- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream socket has no other; uvloop's transports do not derive from asyncio's, so nothing is asserted.
        self._wire = cast("asyncio.Transport", transport)
        self._progress_at = self.service.clock()
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.ip, self.port = canonical_ip(peer[0]), peer[1]
        refusal = self.service.registry.enter(self)
        if refusal:
            self.say(f"{refusal}\r\n".encode("ascii"))
            self._close(linger=False)
            return
        self._holders = 2
        self._runner = self.service.loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        if self._content is not None:
            rest = self._content.feed(data)
            if rest is None:
                if self._content.content.overrun:
                    self._wake()
                return
            self._content = None
            data = rest
        elif self.phase is Phase.CLOSING:
            return
        if data:
            self._buffer = self._buffer[self._start :] + data if self._buffer else data
            self._start = 0
            if len(self._buffer) > _BUFFER_LIMIT and not self._reading_paused and self._wire:
                self._reading_paused = True
                self._wire.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._eof = True
        self._wake()
        # What the peer sent before it closed its side is still answered; TLS has no half-closed connections.
        return self.phase is not Phase.CLOSING and self._wire is not None and self._wire.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - why is of no use to anyone
        if self._lost:
            return
        self._lost = True
        self._eof = True
        self._wire = None
        self._buffer, self._start = b"", 0
        self._writing_paused = False
        self._wake()
        self._release()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake()

    # --- for the dialogue

    def say(self, octets: bytes) -> None:
        """Put a reply behind those not yet written."""
        self._out.append(octets)

    def flush(self) -> None:
        """Write what was said; replies to pipelined commands go out together."""
        if self._out:
            if self._wire is not None:
                self._wire.write(b"".join(self._out))
            self._out.clear()

    def hang_up(self, reply: Reply) -> NoReturn:
        """Say a last word, and end the session."""
        self.turn_away(reply)
        raise GoneError

    async def read_line(self) -> bytes:
        """Return the next command line with its line end, or b"" for one that was too long.

        Raises:
            GoneError: when there is none.

        """
        self._deadline = _NEVER
        self._lines += 1
        if self._lines >= _LINES_PER_TURN:
            self._lines = 0
            await asyncio.sleep(0)
        end = self._buffer.find(b"\n", self._start)
        skipped = await self._wait_for_line() if end < 0 else 0
        if end < 0:
            end = self._buffer.find(b"\n", self._start)
        line = self._buffer[self._start : end + 1]
        self._start = end + 1
        if self._start == len(self._buffer):
            self._buffer = b""
            self._start = 0
        return line if not skipped and len(line) <= LINE_LIMIT else b""

    async def _wait_for_line(self) -> int:
        """Wait until there is a line end. Returns how many octets of its line were thrown away by then."""
        skipped = 0
        self._deadline = self.service.clock() + self.limits.command_s
        while True:
            pending = len(self._buffer) - self._start
            if skipped or pending > LINE_LIMIT:
                skipped += pending
                self._buffer = b""
                self._start = 0
                if skipped > _SKIP_LIMIT:
                    self.hang_up(_LONG_LINE)
            await self._more()
            if self._buffer.find(b"\n", self._start) >= 0:
                return skipped

    async def read_content(self, reader: ChunkReader | DataReader) -> None:
        """Let `reader` have what comes, until its end or until its message overruns."""
        octets, self._buffer, self._start = self._buffer[self._start :], b"", 0
        rest = reader.feed(octets)
        if rest is not None:
            self._buffer = rest
            return
        self.phase = Phase.CONTENT
        self._pace = None
        self._content = reader
        try:
            while self._content is not None and not reader.content.overrun:
                await self._more()
        finally:
            self._content = None
            if self.phase is Phase.CONTENT:
                self.phase = Phase.COMMAND

    async def read_origin(self) -> Origin:
        """Return what the PROXY header at the beginning of the connection says.

        Raises:
            GoneError: when there is none, in time.

        """
        self._deadline = self.service.clock() + self.limits.handshake_s
        try:
            while (origin := parse_proxy(self._buffer)) is None:
                await self._more()
        except ProxyError as error:
            _log.warning("smtp.proxy_refused", ip=self.ip, reason=str(error))
            self.abort()
            raise GoneError from None
        self._buffer = self._buffer[origin.length :]
        return origin

    async def start_tls(self, context: ssl.SSLContext) -> Tls:
        """Go over to TLS. Whatever came in the clear after STARTTLS is forgotten (RFC 3207 §6).

        Raises:
            GoneError: when the handshake fails.

        """
        self.flush()
        self._buffer, self._start = b"", 0
        if self._wire is None or self._wire.is_closing():
            raise GoneError
        self._reading_paused = False
        self.phase = Phase.BUSY
        try:
            wire = await self.service.loop.start_tls(
                self._wire, self, context, server_side=True, ssl_handshake_timeout=self.limits.handshake_s
            )
        except OSError as error:  # also ssl.SSLError, ConnectionError, TimeoutError
            _log.info("smtp.tls_failed", ip=self.ip, reason=type(error).__name__)
            self.abort()
            self.connection_lost(None)  # the event loop tells only whom it has told of a connection
            raise GoneError from None
        if self._lost or wire is None:
            raise GoneError
        self._wire = wire
        self.phase = Phase.COMMAND
        version, cipher = wire.get_extra_info("ssl_object").version(), wire.get_extra_info("cipher")
        return Tls(version=version or "unknown", cipher=cipher[0] if cipher else "unknown")

    async def _more(self) -> None:
        """Wait until something has happened."""
        if self._out:
            self.flush()
        if self._eof or self.phase is Phase.CLOSING:
            raise GoneError
        if self._reading_paused:
            self._resume_reading()
        while True:
            self._waiter = self.service.loop.create_future()
            await self._waiter
            self._waiter = None
            if self._over():
                raise GoneError
            if not self._writing_paused:
                return

    def _over(self) -> bool:
        return self._lost or self.phase is Phase.CLOSING

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- deadlines, looked at by the server's one timer

    def check(self, now: float) -> None:
        """End the session, or cut the connection, when its time is over."""
        if self.phase is Phase.BUSY:
            return
        if self.phase is Phase.CLOSING:
            if now >= self._deadline and self._wire is not None:
                self._wire.abort()
            return
        if self.phase is Phase.CONTENT and self._content is not None:
            size = self._content.content.size
            if self._pace is None:
                self._pace = Pace(self.limits, now, size)
            late = self._pace.late(now, size)
        else:
            late = now >= self._deadline or now >= self._progress_at + self.limits.session_s
        if late:
            _log.info("smtp.timeout", ip=self.ip, phase=self.phase.name.lower())
            self.turn_away(_SLOW)

    def progress(self) -> None:
        """Note that a message was stored: the session may go on."""
        self._progress_at = self.service.clock()

    def turn_away(self, reply: Reply) -> None:
        """Say a last word, and end the session; also from outside its task."""
        self.say(f"{reply}\r\n".encode("ascii"))
        self._close(linger=True)
        self._wake()

    def shut_down(self) -> None:
        """Ask the session to end: at once when it waits for a command, else after what it has in hand."""
        self.draining = True
        if self.phase is Phase.COMMAND and self._waiter is not None:
            self.turn_away(SHUTTING_DOWN)

    def abort(self) -> None:
        """Cut the connection. What was handed to the reception stays there."""
        self.phase = Phase.CLOSING
        self._buffer, self._start = b"", 0
        self._wake()
        if self._wire is not None:
            self._wire.abort()

    def _close(self, *, linger: bool) -> None:
        """Write what was said and close; a peer that does not read it is cut off by `check`."""
        self.flush()
        self._buffer, self._start = b"", 0
        self.phase = Phase.CLOSING
        self._deadline = self.service.clock() + self.limits.linger_s
        wire = self._wire
        if wire is None:
            return
        if not linger or self._eof or not wire.can_write_eof():
            wire.close()
            return
        # Closing with octets unread would reset the connection, and the peer might never see the last reply.
        wire.write_eof()
        self._resume_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._wire is not None:
            self._reading_paused = False
            self._wire.resume_reading()

    def _release(self) -> None:
        self._holders -= 1
        if not self._holders:
            self.service.registry.leave(self)
            self._runner = None

    async def _handle_client(self) -> None:
        """Serve the connection: the whole life of its task."""
        try:
            await self.converse()
        except GoneError:
            pass
        finally:
            if self.phase is not Phase.CLOSING:
                self._close(linger=False)
            self._release()

    async def converse(self) -> None:
        """Hold the dialogue; returns or raises GoneError at its end."""
        raise NotImplementedError
