from __future__ import annotations

from datetime import UTC, datetime
from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import AddressError
from maild.mail.address import Address, parse_address
from maild.mail.envelope import Tls
from maild.mail.trace import (
    Received,
    compose_received,
    compose_return_path,
    parse_received,
    parse_return_path,
    safe_helo,
)

AT = datetime(2026, 11, 22, 3, 14, 15, tzinfo=UTC)


def field(helo: str = "there.example", recipient: Address | None = None, tls: Tls | None = None) -> Received:
    return Received(
        helo=helo, ip="192.0.2.7", by="mx.us.example", protocol="ESMTPS", id="01JD", at=AT, tls=tls, recipient=recipient
    )


def test_received_is_written_as_the_rfc_shows_it() -> None:
    tls = Tls(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384")
    assert compose_received(field(recipient=parse_address("kita@us.example"), tls=tls)) == (
        b"Received: from there.example ([192.0.2.7])\r\n"
        b"\tby mx.us.example with ESMTPS (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384) id 01JD\r\n"
        b"\tfor <kita@us.example>;\r\n"
        b"\tSun, 22 Nov 2026 03:14:15 +0000\r\n"
    )


@pytest.mark.parametrize(
    "helo",
    [
        "x\r\nSubject: forged",
        "x) (evil",
        "x; Sun, 1 Jan 2017",
        "a b",
        '"quoted\\"',
        "\0",
        "gießen.example",
        "",
        "x" * 70_000,
        "\ud800",
    ],
)
def test_received_lets_no_helo_out_of_its_place(helo: str) -> None:
    octets = compose_received(field(helo=helo))
    assert octets.isascii()
    assert octets.count(b"\r\n") == 3
    assert octets.count(b"(") == octets.count(b")") == 1
    assert max(map(len, octets.split(b"\r\n"))) < 998
    assert BytesHeaderParser().parsebytes(octets + b"\r\n").keys() == ["Received"]
    parsed = parse_received(octets)
    assert parsed is not None
    assert parsed.helo == safe_helo(helo)


_RECIPIENTS = st.none() | st.builds(
    Address,
    local=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    domain=st.just("us.example"),
)


@given(
    helo=st.text(max_size=40),
    ip=st.ip_addresses().map(str),
    recipient=_RECIPIENTS,
    at=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    tls=st.none() | st.just(Tls(version="TLSv1.2", cipher="ECDHE-RSA-AES128-GCM-SHA256")),
)
def test_received_reads_back_as_it_was_composed(
    helo: str, ip: str, recipient: Address | None, at: datetime, tls: Tls | None
) -> None:
    given_field = Received(
        helo=safe_helo(helo),
        ip=ip,
        by="mx.us.example",
        protocol="ESMTP",
        id="01",
        at=at.replace(microsecond=0),
        tls=tls,
        recipient=recipient,
    )
    assert parse_received(compose_received(given_field)) == given_field


def test_received_leaves_out_a_recipient_that_needs_utf8() -> None:
    assert b"for" not in compose_received(field(recipient=Address(local="grüße", domain="us.example")))


@pytest.mark.parametrize("octets", [b"", b"Received: x\r\n", b"Subject: x\r\n", compose_received(field())[:-2]])
def test_parse_received_says_none_for_anything_else(octets: bytes) -> None:
    assert parse_received(octets) is None


@pytest.mark.parametrize(
    "text", [None, "a@b.example", '"a b"@c.example', "jürgen@xn--gieen-nqa.example", "a" * 150 + "@b.c"]
)
def test_return_path_reads_back(text: str | None) -> None:
    local, _, domain = (text or "").rpartition("@")
    address = Address(local=local.strip('"'), domain=domain) if text else None
    assert parse_return_path(compose_return_path(address)) == address


@pytest.mark.parametrize("octets", [b"", b"Return-Path: <>", b"Subject: <>\r\n", b"Return-Path: a@b.example\r\n"])
def test_parse_return_path_refuses_anything_else(octets: bytes) -> None:
    with pytest.raises(AddressError):
        parse_return_path(octets)
