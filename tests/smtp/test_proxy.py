from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.smtp.proxy import Origin, ProxyError, parse_proxy

V2 = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes([192, 0, 2, 7, 192, 0, 2, 1]) + b"\x9c\x40\x00\x19"
V6 = bytes.fromhex("20010db8000000000000000000000007" * 2) + b"\x9c\x40\x00\x19"
HEADERS = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n", "192.0.2.7", 40_000),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n", "2001:db8::7", 40_000),
    (b"PROXY UNKNOWN\r\n", "", 0),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", 0),
    (V2 + b"\x21\x11\x00\x0c" + V4, "192.0.2.7", 40_000),
    (V2 + b"\x21\x21\x00\x24" + V6, "2001:db8::7", 40_000),
    (V2 + b"\x21\x11\x00\x13" + V4 + b"\x04\x00\x04abcd", "192.0.2.7", 40_000),
    (V2 + b"\x20\x00\x00\x00", "", 0),
    (V2 + b"\x21\x31\x00\x02xx", "", 0),
]


@pytest.mark.parametrize(("header", "ip", "port"), HEADERS)
def test_parse_proxy_reads_and_leaves_what_follows(header: bytes, ip: str, port: int) -> None:
    assert parse_proxy(header + b"EHLO x\r\n") == Origin(ip=ip, port=port, length=len(header))


@pytest.mark.parametrize("header", [header for header, _, _ in HEADERS])
def test_parse_proxy_waits_for_the_whole_header(header: bytes) -> None:
    for length in range(len(header)):
        assert parse_proxy(header[:length]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO x\r\n",
        b"PROXY\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 40000\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.1 40000 25\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 70000 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25 \r\n",
        b"PROXY TCP4 " + b"1" * 200,
        V2 + b"\x11\x11\x00\x0c" + V4,
        V2 + b"\x22\x11\x00\x0c" + V4,
        V2 + b"\x21\x11\x00\x0b" + V4[:-1],
        V2 + b"\x21\x11\xff\xff",
    ],
)
def test_parse_proxy_refuses(octets: bytes) -> None:
    with pytest.raises(ProxyError):
        parse_proxy(octets)


@given(st.binary(max_size=200).map(lambda noise: noise) | st.binary(max_size=60).map(lambda noise: V2 + noise))
def test_parse_proxy_never_fails_otherwise(octets: bytes) -> None:
    try:
        origin = parse_proxy(octets)
    except ProxyError:
        return
    assert origin is None or origin.length <= len(octets)
