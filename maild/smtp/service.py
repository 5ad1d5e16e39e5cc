"""What all connections of a listener share, and what a connection can be waiting for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from maild.mail.reply import Reply
from maild.smtp.limits import Limits
from maild.smtp.reception import Reception
from maild.smtp.tls import TlsSource

if TYPE_CHECKING:
    from maild.smtp.connection import Connection


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

    __slots__ = ("clock", "hostname", "limits", "loop", "reception", "registry", "tls")

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
