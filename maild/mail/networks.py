"""Networks that settings name, and whether a peer is in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def is_in(ip: str | None, networks: Iterable[Network]) -> bool:
    """Tell whether an address is in one of the networks; a text that is no address is in none.

    A zone (`fe80::1%eth0`) is passed over, and an IPv4 address in the guise of IPv6 is an IPv4 address.
    """
    try:
        address = ip_address((ip or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
