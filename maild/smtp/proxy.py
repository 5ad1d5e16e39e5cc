"""The PROXY protocol header, versions 1 and 2: who is really there, as a trusted load balancer says.

Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass

_V1_LIMIT = 107
_V2_LIMIT = 16 + 2_048
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1 = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) ([0-9]{1,5}) ([0-9]{1,5})\r\n")
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN[ -~]*\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The peer behind the proxy; `ip` "" when the proxy speaks for itself or does not know."""

    ip: str
    port: int
    length: int  # octets of the header


class ProxyError(ValueError):
    """What came is no PROXY header."""


def parse_proxy(octets: bytes) -> Origin | None:
    """Read the header at the beginning of `octets`.

    Returns:
        None while more octets are needed.

    Raises:
        ProxyError: when it cannot become a header any more.

    """
    if octets[:12] == _V2_SIGNATURE[: len(octets)]:
        return _parse_v2(octets)
    if octets[:5] != b"PROXY"[: len(octets)]:
        raise ProxyError("no PROXY header")
    end = octets.find(b"\r\n", 0, _V1_LIMIT)
    if end < 0:
        if len(octets) >= _V1_LIMIT:
            raise ProxyError("the PROXY header does not end")
        return None
    return _parse_v1(octets[: end + 2])


def _parse_v1(header: bytes) -> Origin:
    if _V1_UNKNOWN.fullmatch(header):
        return Origin(ip="", port=0, length=len(header))
    match = _V1.fullmatch(header)
    if not match:
        raise ProxyError("the PROXY header cannot be read")
    family = ipaddress.IPv4Address if match[1] == b"TCP4" else ipaddress.IPv6Address
    try:
        source, _ = family(match[2].decode()), family(match[3].decode())
    except ValueError as error:
        raise ProxyError("the PROXY header names no address") from error
    port = int(match[4])
    if port > 65_535:
        raise ProxyError("the PROXY header names no port")
    return Origin(ip=str(source), port=port, length=len(header))


def _parse_v2(octets: bytes) -> Origin | None:
    if len(octets) < 16:
        return None
    command, family, size = struct.unpack_from("!BBH", octets, 12)
    length = 16 + size
    if command not in {0x20, 0x21} or length > _V2_LIMIT:
        raise ProxyError("this is no PROXY header of version 2")
    if len(octets) < length:
        return None
    if command == 0x20 or family not in {0x11, 0x21}:
        return Origin(ip="", port=0, length=length)
    width = 4 if family == 0x11 else 16
    if size < 2 * width + 4:
        raise ProxyError("the PROXY header is too short")
    source = ipaddress.ip_address(octets[16 : 16 + width])
    (port,) = struct.unpack_from("!H", octets, 16 + 2 * width)
    return Origin(ip=str(source), port=port, length=length)
