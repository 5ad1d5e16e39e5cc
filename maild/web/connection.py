"""HTTP connections that take part in nothing: who is slow with a header, or holds very many, is cut off.

uvicorn bounds the time between requests, and how long a header may be, not the time in which it comes; the time for
a form is bounded where forms are read. All of it matters where no reverse proxy stands before the pages.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from maild.mail.networks import Network, is_in
from maild.policy.throttle import network_of

THIS_MACHINE: tuple[Network, ...] = (ip_network("127.0.0.1/32"), ip_network("::1/128"))


class Connection(H11Protocol):
    """uvicorn's protocol with a time for each header and a share of the connections for each stranger."""

    header_s: ClassVar[float] = 20.0
    share: ClassVar[int] = 200  # with 1,000 in all, it takes five strangers to fill them
    proxies: ClassVar[tuple[Network, ...]] = THIS_MACHINE  # they bring everyone's, and have limits of their own

    _deadline: asyncio.TimerHandle | None = None
    _network: str | None = None

    @classmethod
    def behind(cls, proxies: tuple[Network, ...]) -> type[Connection]:
        """Return the protocol of pages that have other proxies before them."""
        return cast("type[Connection]", type(cls.__name__, (cls,), {"proxies": proxies}))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take the connection on, and wait for its first header."""
        super().connection_made(transport)
        if self.client is not None and not is_in(self.client[0], self.proxies):
            self._network = network_of(self.client[0])
            held = sum(1 for c in self.connections if isinstance(c, Connection) and c._network == self._network)  # noqa: SLF001
            if held > self.share:
                transport.abort()
                return
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Hand the octets on; what is not a whole header yet has its time from the first octet."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None:
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_header(self) -> None:
        self._deadline = self.loop.call_later(self.header_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
