"""What all connections of a listener share, and what a connection can be waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import structlog

from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.reception import Reception
from maild.smtp.tls import TlsSource

if TYPE_CHECKING:
    from maild.smtp.connection import Connection


_QUIET_S = 60.0
_log = structlog.get_logger()


class Phase(Enum):
    """What a connection waits for."""

    ORIGIN = 1  # the PROXY header
    COMMAND = 2
    CONTENT = 3
    BUSY = 4  # for us
    CLOSING = 5


class GoneError(Exception):
    """The session is over: the peer left, or was told to leave."""


class Registry(Protocol):
    """Who is connected; the server is one."""

    def enter(self, connection: Connection) -> Reply | None: ...
    def name(self, connection: Connection, ip: str) -> Reply | None: ...
    def leave(self, connection: Connection) -> None: ...


class Service:
    """What all connections of a listener share."""

    __slots__ = (
        "_quiet_until", "_spool_failures", "clock", "hostname", "limits", "loop", "reception", "registry", "tls",
    )  # fmt: skip

    def __init__(
        self,
        *,
        reception: Reception,
        limits: Limits,
        hostname: str,
        tls: TlsSource | None,
        clock: Callable[[], float],
        registry: Registry,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Hold them."""
        self.reception = reception
        self.limits = limits
        self.hostname = hostname
        self.tls = tls
        self.clock = clock
        self.registry = registry
        self.loop = loop
        self._spool_failures = 0
        self._quiet_until = float("-inf")

    def spool_failed(self, ip: str, error: Exception) -> None:
        """Log that content could not be written: of a full disk once a minute, however often the peers try."""
        self._spool_failures += 1
        if isinstance(error, OSError) and self.clock() < self._quiet_until:
            return
        _log.error("smtp.spool_failed", ip=ip, count=self._spool_failures, exc_info=error)
        self._spool_failures = 0
        self._quiet_until = self.clock() + _QUIET_S
