from __future__ import annotations

import pytest

from maild.delivery.above import Arrival, above_copy, above_sent_on, has_circled, mark
from maild.mail.header import read_header
from maild.mail.trace import parse_received

HOST, TO = "mx.us.example", "chef@there.example"
ENVELOPE = {"ip": "192.0.2.7", "helo": "evil\r\nX: y", "protocol": "ESMTPS", "tls": ["TLSv1.3", "AES"], "by": HOST}


def arrival(*recipients: str, envelope: dict[str, object] | None = None) -> Arrival:
    given = ENVELOPE if envelope is None else envelope
    return Arrival(message_id=1 << 40, received_ms=1_790_000_000_000, envelope=given, recipients=recipients)


def test_what_stands_above_tells_how_the_letter_came() -> None:
    octets = above_sent_on(arrival("kita@us.example"), HOST, [TO])
    first, received = octets.split(b"\r\n", 1)
    assert first.decode() == f"Maild-Sent-On: {mark(HOST, TO)}"
    read = parse_received(received)
    assert read is not None
    assert (read.ip, str(read.recipient), read.by, read.helo) == ("192.0.2.7", "kita@us.example", HOST, "evil??X:?y")


def test_of_several_recipients_none_is_told_of_the_others() -> None:
    octets = above_sent_on(arrival("kita@us.example", "leitung@us.example"), HOST, [TO])
    assert b"us.example>" not in octets
    assert TO.encode() not in octets


def test_mail_that_came_by_no_connection_has_no_received() -> None:
    assert above_sent_on(arrival(envelope={"imported": "x"}), HOST, []) == b""


@pytest.mark.parametrize("path", [None, "petra@citizen.example"])
def test_a_copy_says_from_whom_and_for_whom(path: str | None) -> None:
    octets = above_copy(arrival("kita@us.example"), HOST, "kita@us.example", path)
    assert octets.startswith(f"Return-Path: <{path or ''}>\r\nDelivered-To: kita@us.example\r\nReceived: ".encode())


@pytest.mark.parametrize(
    ("hostname", "recipient", "expected"),
    [(HOST, TO, True), (HOST, TO.upper(), True), (HOST, "x" + TO, False), ("mx.other.example", TO, False)],
)
def test_only_our_mark_for_that_address_is_a_circle(hostname: str, recipient: str, *, expected: bool) -> None:
    octets = b"Received: x\r\n" + above_sent_on(arrival(), HOST, [TO, "other@there.example"]) + b"Subject: x\r\n\r\nx"
    fields = read_header(octets, 0, len(octets), b"\n").fields
    assert has_circled(fields, hostname, recipient) == expected
