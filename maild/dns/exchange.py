"""One question to one server: by UDP, and by TCP where that is not enough.

Bare sockets: each question has one of its own, with a port of the system's choice, and whatever ends the exchange, its
cancellation too, has closed it.

Source: RFC 5452 §9.2 (ports), RFC 7766 §5 (TCP).
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from maild.dns.wire import WireError, is_reply, is_truncated

_FORGED_AT_MOST = 20
_DATAGRAM_OCTETS = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A resolver by its address. `trusted`: its word about DNSSEC is believed."""

    host: str
    port: int = 53
    trusted: bool = True

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


async def exchange(server: Server, query: bytes) -> bytes:
    """Return the reply to a question. Its time is limited by the caller.

    Raises:
        WireError: the server broke off.
        OSError: it cannot be reached.
    """
    reply = await _by_udp(server, query)
    if reply is not None and not is_truncated(reply):
        return reply
    reply = await _by_tcp(server, query)
    if not is_reply(query, reply):
        raise WireError("broken")
    return reply


async def _by_udp(server: Server, query: bytes) -> bytes | None:
    """Return the reply; None when so much came that was none that somebody seems to guess."""
    loop = asyncio.get_running_loop()
    with socket.socket(server.family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((server.host, server.port))  # from now on the kernel drops what others send
        sock.send(query)
        for _ in range(_FORGED_AT_MOST):
            reply = await loop.sock_recv(sock, _DATAGRAM_OCTETS)
            if is_reply(query, reply):
                return reply
    return None


async def _by_tcp(server: Server, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(server.family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (server.host, server.port))
        await loop.sock_sendall(sock, len(query).to_bytes(2, "big") + query)
        size = int.from_bytes(await _octets(sock, 2), "big")
        return await _octets(sock, size)


async def _octets(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    got = bytearray()
    while len(got) < count:
        more = await loop.sock_recv(sock, count - len(got))
        if not more:
            raise WireError("broken")
        got += more
    return bytes(got)
