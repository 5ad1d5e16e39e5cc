"""Which addresses of the Internet mail may be sent to, when a stranger's DNS says where.

A domain's MX is written by whoever owns the domain. What it must not do is to make maild speak to our own network: to
the machine itself, to the house, to what a provider uses inside, or to any of these wrapped in an IPv6 address.

Source: RFC 6890 and the registries of special-purpose addresses; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo);
threats O3.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CLOSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# Of IPv6 only what is given to somebody is open: everything else is reserved, local, or a way of writing IPv4.
_OPEN6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
_CLOSED6 = tuple(ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


def may_connect(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Tell whether a connection to this address is allowed: a public one, or one in `allowed`."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return False
    inner = _inner(found)
    # What is wrapped counts as the address that it leads to.
    if any(inner.version == network.version and inner in network for network in allowed):
        return True
    return _is_public(inner)


def _inner(address: Address) -> Address:
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    # Interop: where there is no IPv4 any more, the DNS itself wraps public addresses so (RFC 6147).
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED)
    return address in _OPEN6 and not any(address in network for network in _CLOSED6)
