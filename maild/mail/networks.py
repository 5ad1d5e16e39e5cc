"""Networks that settings name, and whether a peer is in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_ADDRESS_CHARACTERS = 80  # the longest address has 45; a zone follows


# Not of the public Internet (RFC 1918, 3927, 4193, 6598): nobody's machine, as far as the DNS of a domain knows.
PRIVATE = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
            *("fc00::/7", "fe80::/10"),
        ),
    )
)


def is_address(ip: str | None) -> bool:
    """Tell whether a text is an address, with or without a zone."""
    return _address(ip) is not None


def is_in(ip: str | None, networks: Iterable[Network]) -> bool:
    """Tell whether an address is in one of the networks; a text that is no address is in none.

    A zone (`fe80::1%eth0`) is passed over, and an IPv4 address in the guise of IPv6 is an IPv4 address.
    """
    address = _address(ip)
    if address is not None:
        for network in networks:
            if address in network:
                return True
    return False


def is_private(ip: str | None) -> bool:
    """Tell whether an address is none of the public Internet; a text that is no address is not."""
    return ip is not None and len(ip) <= _ADDRESS_CHARACTERS and _is_private(ip)


def _address(ip: str | None) -> IPv4Address | IPv6Address | None:
    return _read(ip) if ip and len(ip) <= _ADDRESS_CHARACTERS else None


@lru_cache(maxsize=1024)
def _is_private(ip: str) -> bool:
    return is_in(ip, PRIVATE)


@lru_cache(maxsize=1024)  # of one peer it is asked several times for each message
def _read(ip: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
