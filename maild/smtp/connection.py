"""One connection: octets in, lines and content out of them, replies, deadlines, and its end.

A protocol of our own. What comes is dealt with where it comes, by plain calls; a task is made only for what the peer
has to wait for: the commit of its message, a TLS handshake. Replies go out together when there is nothing left to
deal with.

Source: RFC 5321 §3.8, §4.1.1, §4.5.3.2; RFC 2920 (pipelining).
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from functools import partial
from typing import NoReturn, cast

import structlog

from maild.mail.envelope import Tls
from maild.mail.reply import Reply
from maild.smtp.content import ChunkReader, Content, DataReader
from maild.smtp.incoming import EndlessLineError, Incoming
from maild.smtp.limits import canonical_ip
from maild.smtp.pace import Pace
from maild.smtp.proxy import Origin, ProxyError, parse_proxy
from maild.smtp.service import GoneError, Phase, Service
from maild.smtp.tls import begin_tls, cut

_BUFFER_LIMIT = 65_536  # octets ahead of what the session has dealt with, before we stop reading
_STEPS_PER_TURN = 50  # commands dealt with before other connections get their turn

SHUTTING_DOWN = Reply(code=421, enhanced="4.3.2", text="Shutting down, try again later")
_SLOW = Reply(code=421, enhanced="4.4.2", text="Timeout, closing the connection")
_LONG_LINE = Reply(code=500, enhanced="5.5.2", text="Line too long")

_log = structlog.get_logger()


class Connection(asyncio.Protocol, ABC):
    """The mechanics; `Dialogue` and `Session` say what is said."""

    def __init__(self, service: Service) -> None:
        """Prepare for `connection_made`."""
        self.service = service
        self.limits = service.limits
        self.phase = Phase.COMMAND
        self.ip = ""
        self.port = 0
        self.counted_ip: str | None = None  # as the registry counts it
        self.draining = False
        self._wire: asyncio.Transport | None = None
        self._incoming = Incoming()
        self._out: list[bytes] = []
        self._content: ChunkReader | DataReader | None = None
        self._awaited: asyncio.Task[None] | None = None  # what the peer has to wait for
        self._turn_over = False  # there is more to deal with, when others had their turn
        self._eof = False
        self._lost = False
        self._reading_paused = False
        self._writing_paused = False
        self._deadline = 0.0
        self._progress_at = 0.0
        self._pace: Pace | None = None  # made when the timer first sees a message on its way: most are faster

    # --- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the peer in, or turn it away."""
        # A stream socket has no other; uvloop's transports do not derive from asyncio's, so nothing is asserted.
        self._wire = cast("asyncio.Transport", transport)
        self._progress_at = self.service.clock()
        self._deadline = self._progress_at + self.limits.command_s
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.ip, self.port = canonical_ip(peer[0]), peer[1]
        refusal = self.service.registry.enter(self)
        if refusal:
            self.say(f"{refusal}\r\n".encode("ascii"))
            self._close(linger=False)
        else:
            self.begin()
            self.flush()

    def data_received(self, data: bytes) -> None:
        """Deal with what came, or keep it while the peer has to wait."""
        if self.phase is Phase.CLOSING:
            return
        self._incoming.put(data)
        if self.phase is Phase.BUSY or self._writing_paused or self._turn_over:
            self._hold()
        else:
            self._proceed()

    def eof_received(self) -> bool:
        """Answer what the peer sent before it closed its side; TLS has no half-closed connections."""
        self._eof = True
        if self.phase is not Phase.BUSY and not self._turn_over and not self._writing_paused:
            self._close(linger=False)
        return self.phase is not Phase.CLOSING and self._wire is not None and self._wire.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - why is of no use to anyone
        """Forget the peer. What was handed to the reception stays there."""
        if self._lost:
            return
        self._lost = self._eof = True
        self._wire = None
        self._writing_paused = False
        self._forget()
        self._leave()

    def pause_writing(self) -> None:
        """Let a peer that does not read its replies wait for new ones."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._writing_paused = False
        if self.phase is not Phase.BUSY and not self._turn_over:
            self._proceed()

    # --- for the dialogue

    @abstractmethod
    def begin(self) -> None:
        """Greet the peer."""

    @abstractmethod
    def receive_origin(self, origin: Origin) -> None:
        """Hear from a proxy who is really there."""

    @abstractmethod
    def receive_line(self, line: bytes) -> None:
        """Take a command with its line end; b"" is one that was too long."""

    @abstractmethod
    def receive_content(self, content: Content) -> None:
        """Take content that has come to its end, or has overrun."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """Answer what the peer waited for, and what a bug of ours has ended."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the transaction."""

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

    def has_spoken(self) -> bool:
        """Tell whether the peer has sent what was not dealt with yet."""
        return len(self._incoming) > 0

    def read_origin(self) -> None:
        """Have what comes first read as a PROXY header."""
        self.phase = Phase.ORIGIN
        self._deadline = self.service.clock() + self.limits.handshake_s

    def read_content(self, reader: ChunkReader | DataReader) -> None:
        """Have what comes next read by `reader`, until its end or until its message overruns."""
        self.phase = Phase.CONTENT
        self._content = reader
        self._pace = None

    def let_wait(self, coroutine: Coroutine[None, None, None]) -> None:
        """Let the peer wait until `coroutine` has ended; what it sends meanwhile is kept."""
        self.flush()
        self.phase = Phase.BUSY
        self._awaited = self.service.loop.create_task(self._await(coroutine))

    async def start_tls(self, context: ssl.SSLContext, *, first: bool = False) -> Tls:
        """Go over to TLS. Whatever came in the clear is forgotten (RFC 3207 §6), or if TLS is `first` belongs to it.

        Raises:
            GoneError: when the handshake fails.
        """
        begin = partial(begin_tls, self._incoming, self.service.loop) if first else self.service.loop.start_tls
        if not first:
            self._incoming.clear()
        if self._wire is None or self._wire.is_closing():
            raise GoneError
        self._reading_paused = False
        try:
            wire = await begin(
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
        version, cipher = wire.get_extra_info("ssl_object").version(), wire.get_extra_info("cipher")
        return Tls(version=version or "unknown", cipher=cipher[0] if cipher else "unknown")

    # --- dealing with what has come

    def _proceed(self) -> None:
        """Deal with what has come, as far as it goes without waiting; then write, and close after the last of it."""
        try:
            self._turn_over = self._deal()
        except GoneError:
            if self.phase is not Phase.CLOSING:
                self._close(linger=False)
            return
        except Exception as error:  # noqa: BLE001 - one of the four edges: a bug of ours never becomes a 5xx
            self.failed(error)
            if self.phase is Phase.CONTENT:
                # Invariant: content with a hole in it never comes to its end, or a later 250 would stand for it.
                self._close(linger=True)
                return
            self._turn_over = True
        self.flush()
        if self._turn_over:
            self.service.loop.call_soon(self._next_turn)
        elif self._eof and self.phase is not Phase.BUSY and not self._writing_paused:
            self._close(linger=False)
            return
        self._hold()

    def _next_turn(self) -> None:
        self._turn_over = False
        if self.phase is not Phase.CLOSING:
            self._proceed()

    def _deal(self) -> bool:
        """Return whether the turn was over before everything was dealt with."""
        return all(self._step() for _ in range(_STEPS_PER_TURN))

    def _step(self) -> bool:
        """Deal with one thing; return False when it has not come yet, or the peer has to wait."""
        if self.phase is Phase.COMMAND:
            return self._take_line()
        if self.phase is Phase.CONTENT:
            return self._take_content()
        return self.phase is Phase.ORIGIN and self._take_origin()

    def _take_line(self) -> bool:
        if self.draining:
            self.hang_up(SHUTTING_DOWN)
        try:
            line = self._incoming.take_line()
        except EndlessLineError:
            self.hang_up(_LONG_LINE)
        if line is None:
            return False
        self._expect_command()
        self.receive_line(line)
        return True

    def _take_content(self) -> bool:
        reader = cast("ChunkReader | DataReader", self._content)
        # Even without octets the reader is asked: a chunk may be of none, and ends before anything comes.
        rest = reader.feed(self._incoming.take_all())
        if rest is None and not reader.content.overrun:
            return False
        self._content = None
        if rest:
            self._incoming.put(rest)
        self._expect_command()
        self.receive_content(reader.content)
        return True

    def _take_origin(self) -> bool:
        octets = self._incoming.take_all()
        try:
            origin = parse_proxy(octets)
        except ProxyError as error:
            _log.warning("smtp.proxy_refused", ip=self.ip, reason=str(error))
            self.abort()
            raise GoneError from None
        self._incoming.put(octets[origin.length :] if origin else octets)
        if origin is None:
            return False
        self._expect_command()
        self.receive_origin(origin)
        return True

    def _expect_command(self) -> None:
        self.phase = Phase.COMMAND
        self._deadline = self.service.clock() + self.limits.command_s

    def _hold(self) -> None:
        """Stop reading while too much has not been dealt with."""
        if self._wire is None or self.phase is Phase.CLOSING:
            return
        if len(self._incoming) > _BUFFER_LIMIT:
            if not self._reading_paused:
                self._reading_paused = True
                self._wire.pause_reading()
        elif self._reading_paused and self.phase is not Phase.BUSY:
            self._resume_reading()

    async def _await(self, coroutine: Coroutine[None, None, None]) -> None:
        try:
            await coroutine
        except GoneError:
            pass
        except Exception as error:  # noqa: BLE001 - one of the four edges: a bug of ours never becomes a 5xx
            self.failed(error)
        finally:
            self._awaited = None
            if self._lost:
                self._leave()
            elif self.phase is Phase.BUSY:
                self._expect_command()
                self._proceed()

    # --- deadlines, looked at by the server's one timer

    def check(self, now: float) -> None:
        """End the session, or cut the connection, when its time is over."""
        if self.phase is Phase.BUSY:
            return
        if self.phase is Phase.CLOSING:
            if now >= self._deadline:
                cut(self._wire)
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
        """Say a last word, and end the session."""
        self.say(f"{reply}\r\n".encode("ascii"))
        self._close(linger=True)

    def shut_down(self) -> None:
        """Ask the session to end: at once when it waits for a command, else after what it has in hand."""
        self.draining = True
        if self.phase in {Phase.COMMAND, Phase.ORIGIN}:
            self.turn_away(SHUTTING_DOWN)

    def abort(self) -> None:
        """Cut the connection. What was handed to the reception stays there."""
        self._forget()
        self.phase = Phase.CLOSING
        cut(self._wire)

    def _close(self, *, linger: bool) -> None:
        """Write what was said and close; a peer that does not read it is cut off by `check`."""
        self.flush()
        self._forget()
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

    def _forget(self) -> None:
        """Free what was kept of what has come."""
        self._incoming.clear()
        self._content = None
        self.reset()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._wire is not None:
            self._reading_paused = False
            self._wire.resume_reading()

    def _leave(self) -> None:
        """Be counted until the peer is gone and nothing of it is in hand any more."""
        if self._lost and self._awaited is None:
            self.service.registry.leave(self)
