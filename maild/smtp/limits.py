"""The limits of a reception, and the count of who is connected.

Source: RFC 5321 §4.5.3.1 (sizes), §4.5.3.2 (timeouts).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass, field

from maild.mail.networks import Network
from maild.mail.reply import Reply

_MINUTE_S = 60.0

FULL = Reply(code=421, enhanced="4.3.2", text="Too many connections, try again later")
CLIENT_FULL = Reply(code=421, enhanced="4.7.0", text="Too many connections from your network, try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may take of us. Times in seconds, sizes in octets of content."""

    max_message_bytes: int = 35_000_000
    max_recipients: int = 100
    max_received_fields: int = 50  # a message with as many `Received` fields goes in a circle
    max_errors: int = 20  # wrong commands in a session
    max_refused: int = 100  # recipients refused in a session
    max_idle_commands: int = 100  # commands without a message stored, recipients not counted
    max_connections: int = 1_000
    max_connections_per_ip: int = 20
    max_connections_per_network: int = 50  # IPv4 /24, IPv6 /64
    max_connections_per_minute: int = 600  # begun from one network, refused ones included
    max_connections_loopback: int = 1_000
    command_s: float = 60.0  # for a whole command line to arrive, however slowly
    content_idle_s: float = 60.0  # without any octet of content
    content_s: float = 3_600.0  # for one message
    session_s: float = 900.0  # without a message stored
    handshake_s: float = 30.0  # for TLS, and for the PROXY header
    min_rate_bytes_s: int = 500  # of content, averaged over `rate_window_s`
    rate_window_s: float = 60.0
    linger_s: float = 2.0  # a peer that is being refused gets this long to read why
    greet_delay_s: float = 0.0  # before a stranger is greeted
    trusted_proxies: tuple[Network, ...] = field(default=())
    trusted_relays: tuple[Network, ...] = field(default=())


class Census:
    """Counts connections by address and by network."""

    def __init__(self, limits: Limits) -> None:
        """Start with nobody connected."""
        self._limits = limits
        self._ips: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()
        self._arrivals: Counter[str] = Counter()  # of this minute, by network
        self._minute_ends = float("-inf")

    def enter(self, ip: str, now: float) -> Reply | None:
        """Count a connection in. Returns None, or the refusal; who is refused is counted as an arrival only."""
        limits = self._limits
        if is_loopback(ip):
            if self._ips[ip] >= limits.max_connections_loopback:
                return CLIENT_FULL
        else:
            network = network_of(ip)
            if now >= self._minute_ends:
                self._arrivals.clear()
                self._minute_ends = now + _MINUTE_S
            self._arrivals[network] += 1
            if (
                self._arrivals[network] > limits.max_connections_per_minute
                or self._ips[ip] >= limits.max_connections_per_ip
                or self._networks[network] >= limits.max_connections_per_network
            ):
                return CLIENT_FULL
            self._networks[network] += 1
        self._ips[ip] += 1
        return None

    def leave(self, ip: str) -> None:
        """Count a connection out that `enter` let in."""
        _decrement(self._ips, ip)
        if not is_loopback(ip):
            _decrement(self._networks, network_of(ip))


def _decrement(counter: Counter[str], key: str) -> None:
    if counter[key] <= 1:
        del counter[key]
    else:
        counter[key] -= 1


def is_loopback(ip: str) -> bool:
    """Tell whether a peer is on this machine; "" is a peer on a Unix socket."""
    return ip.startswith("127.") or ip in {"::1", ""}


def network_of(ip: str) -> str:
    """Return the network whose connections are counted together: IPv4 /24, IPv6 /64."""
    if ":" not in ip:
        return ip.rpartition(".")[0]
    return str(int(ipaddress.IPv6Address(ip.partition("%")[0])) >> 64)


def canonical_ip(ip: str) -> str:
    """Return an IPv4 address that a dual-stack socket shows as `::ffff:192.0.2.1` in its own form."""
    if ip.startswith("::ffff:") and "." in ip:
        return ip[7:]
    return ip
