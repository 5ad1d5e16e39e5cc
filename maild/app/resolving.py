"""The resolver that the settings ask for."""

from __future__ import annotations

from maild.config import Settings
from maild.dns.exchange import Server
from maild.dns.resolver import DnsResolver


def resolver_of(settings: Settings, *, most_s: float | None = None) -> DnsResolver:
    """Build it, with the servers and the patience of the settings; `most_s`: with no more patience than that."""
    servers = [Server(host=each.host, port=each.port) for each in settings.dns.resolvers]
    timeout_s = settings.dns.timeout_s
    return DnsResolver(servers, timeout_s=timeout_s if most_s is None else min(timeout_s, most_s))
