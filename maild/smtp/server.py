"""The listener: sockets in, sessions out, one timer for all of them, and an orderly end."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Callable

import structlog

from maild.mail.networks import is_in
from maild.mail.reply import Reply
from maild.smtp.connection import SHUTTING_DOWN, Connection
from maild.smtp.limits import FULL, Census, Limits
from maild.smtp.reception import Reception
from maild.smtp.service import Service
from maild.smtp.session import Session
from maild.smtp.tls import TlsFiles, TlsSource

_BACKLOG = 1_024
_LONGEST_TICK_S = 1.0

_log = structlog.get_logger()


class Server:
    """Listens on one socket and keeps its connections within the limits."""

    def __init__(
        self,
        *,
        reception: Reception,
        limits: Limits,
        hostname: str,
        tls: TlsFiles | None,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
        session: Callable[[Service], Session] = Session,
    ) -> None:
        """Prepare; `serve` starts it."""
        self._session = session
        self._limits = limits
        self._clock = clock
        self._loop = loop
        self._service = Service(
            reception=reception,
            limits=limits,
            hostname=hostname,
            tls=TlsSource(tls) if tls else None,
            clock=clock,
            registry=self,
            loop=loop,
        )
        self._census = Census(limits)
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event = asyncio.Event()
        self._draining = False
        times = (limits.command_s, limits.content_idle_s, limits.rate_window_s, limits.session_s, limits.linger_s)
        self._tick_s = min(_LONGEST_TICK_S, *(seconds / 4 for seconds in times))
        self._most = limits.max_connections
        self.port = 0

    async def start(self, sock: socket.socket) -> None:
        """Listen on a bound socket, which is ours from here on."""
        self.port = sock.getsockname()[1]
        # Without descriptors nobody could be told 421, and spools, database and web would fail with the connections.
        available = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if available != resource.RLIM_INFINITY and available // 2 < self._most:
            self._most = available // 2
            _log.warning("smtp.connections_capped", connections=self._most, descriptors=available)
        self._listener = await self._loop.create_server(self._connection, sock=sock, backlog=_BACKLOG)
        self._empty.set()

    @property
    def connection_count(self) -> int:
        """How many peers are connected."""
        return len(self._connections)

    async def drain(self, deadline_s: float) -> None:
        """Stop listening, let what is in hand finish, and cut what has not ended after `deadline_s` seconds."""
        self._stop_listening()
        for connection in tuple(self._connections):
            connection.shut_down()
        try:
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("smtp.cut", connections=len(self._connections))
        await self.close()

    async def close(self) -> None:
        """Stop listening and cut every connection. What was handed to the reception is not cancelled."""
        self._stop_listening()
        for connection in tuple(self._connections):
            connection.abort()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        await asyncio.sleep(0)

    def _stop_listening(self) -> None:
        self._draining = True
        if self._listener:
            self._listener.close()
            self._listener = None

    def _connection(self) -> Session:
        return self._session(self._service)

    # --- called by connections

    def enter(self, connection: Connection) -> Reply | None:
        """Let a connection in, or say why not."""
        if self._draining:
            return SHUTTING_DOWN
        refusal = FULL if len(self._connections) >= self._most else None
        if refusal is None and not is_in(connection.ip, self._limits.trusted_proxies):
            refusal = self.name(connection, connection.ip)
        if refusal:
            _log.info("smtp.turned_away", ip=connection.ip, reply=str(refusal))
            return refusal
        self._connections.add(connection)
        self._empty.clear()
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_s, self._sweep)
        return None

    def name(self, connection: Connection, ip: str) -> Reply | None:
        """Count a connection for the peer that it is from."""
        refusal = self._census.enter(ip, self._clock())
        if refusal is None:
            connection.counted_ip = ip
        return refusal

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        if connection.counted_ip is not None:
            self._census.leave(connection.counted_ip)
            connection.counted_ip = None
        if not self._connections:
            self._empty.set()

    def _sweep(self) -> None:
        now = self._clock()
        for connection in tuple(self._connections):
            connection.check(now)
        self._timer = self._loop.call_later(self._tick_s, self._sweep) if self._connections else None


async def serve(
    listen: str | socket.socket,
    reception: Reception,
    limits: Limits,
    hostname: str,
    tls: TlsFiles | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    session: Callable[[Service], Session] = Session,
) -> Server:
    """Receive mail on `listen`.

    Args:
        listen: `host:port`, `[v6]:port`, or a socket that was bound by someone else (socket activation).
        reception: answers for all sessions.
        limits: what a peer may take.
        hostname: our name in greeting and replies.
        tls: the certificate for STARTTLS; without it none is offered.
        clock: monotonic seconds.
        session: what is spoken there.

    Raises:
        OSError, ssl.SSLError: when the address cannot be bound or the certificate not be loaded.

    """
    server = Server(
        reception=reception,
        limits=limits,
        hostname=hostname,
        tls=tls,
        clock=clock,
        loop=asyncio.get_running_loop(),
        session=session,
    )
    await server.start(listen if isinstance(listen, socket.socket) else _bind(listen))
    return server


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named so that accepted sockets know it, and the event loop sets TCP_NODELAY on them.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, int(port)))
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
