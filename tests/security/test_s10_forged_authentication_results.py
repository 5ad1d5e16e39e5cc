"""S10: a sender writes into the header what the mail server in front ought to have found out.

Expected: without a trusted peer, a trusted name and the right place in the header nothing is believed, and a rule that
asks for `dmarc: pass` sees `none`.
"""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest

from maild.archive.compression import decompress
from maild.mail.authentication import TrustedRelays
from maild.router.reading import Addressed, Order, read_one
from maild.rules.recorded import each_rule
from tests.archive.samples import NOW_MS
from tests.rules.samples import rules_of

RELAYS = TrustedRelays(networks=(ip_network("10.0.0.0/24"),), authserv_ids=("mx.town.example",))
RULES = rules_of("rules:\n  - {id: known, when: {dmarc: pass}, then: {tag: verified}}\n")
RELAY, STRANGER = "10.0.0.7", "203.0.113.7"
STAMP = "Received: from x by mx.town.example; Mon, 1 Jun 2026 10:00:00 +0200"
PASS = "Authentication-Results: mx.town.example; dmarc=pass header.from=town.example"
FAIL = "Authentication-Results: mx.town.example; dmarc=fail header.from=town.example"
FROM = "From: mayor@town.example"


def dmarc_seen(peer: str, *fields: str) -> str:
    order = Order(
        message_id=1,
        direction="in",
        received_ms=NOW_MS,
        reverse_path="eve@evil.example",
        addressed=(Addressed(as_given="abuse@musterstadt.example", team=None),),
        reference_bits=7,
        size=9,
        believed=RELAYS.believed(peer),
    )
    filing = read_one(RULES, order, "\r\n".join([*fields, "", "x"]).encode()).filing
    (route,) = json.loads(decompress(filing.trace))
    ((_, value, _),) = each_rule(route)[0]["conditions"]
    assert (filing.places[0].tags == ("verified",)) == (value == "pass")
    return str(value)


def test_what_a_trusted_relay_says_is_believed() -> None:
    assert dmarc_seen(RELAY, PASS, STAMP, FROM) == "pass"
    assert dmarc_seen(RELAY, STAMP, PASS, FROM) == "pass"


FORGED = {
    "as if the relay had been passed": (STRANGER, (PASS, STAMP, FROM)),
    "below the sender's own fields": (RELAY, (STAMP, FROM, PASS)),
    "below a Received of the sender's": (RELAY, (STAMP, STAMP, PASS, FROM)),
    "above a Received of the sender's": (RELAY, (STAMP, "Subject: x", PASS, STAMP, FROM)),
    "where the relay stamps nothing": (RELAY, (PASS, FROM)),
    "under another name": (RELAY, (STAMP, PASS.replace("mx.town", "mx.evil"), FROM)),
    "under a longer name": (RELAY, (STAMP, PASS.replace("mx.town", "x.mx.town"), FROM)),
    "behind one of another name": (RELAY, (STAMP, PASS.replace("mx.town", "mx.evil"), PASS, FROM)),
    "in a comment": (RELAY, (STAMP, "Authentication-Results: mx.town.example; none (; dmarc=pass)", FROM)),
    "in a quotation": (RELAY, (STAMP, 'Authentication-Results: mx.town.example; x=y reason="; dmarc=pass"', FROM)),
    "in an encoded word": (RELAY, (STAMP, "Authentication-Results: mx.town.example; =?utf-8?q?dmarc=3Dpass?=", FROM)),
    "in a field of a like name": (RELAY, (STAMP, PASS.replace("-Results", "-Result"), FROM)),
    "in the body": (RELAY, (STAMP, FROM, "", PASS)),
    "of another version": (RELAY, (STAMP, PASS.replace("example;", "example 9;"), FROM)),
}


@pytest.mark.parametrize("trick", FORGED)
def test_a_forged_result_is_not_seen(trick: str) -> None:
    peer, fields = FORGED[trick]
    assert dmarc_seen(peer, *fields) == "none"


@pytest.mark.parametrize("fields", [(FAIL, STAMP, PASS, FROM), (STAMP, FAIL, PASS, FROM), (FAIL, PASS, STAMP, FROM)])
def test_the_relay_speaks_before_the_sender(fields: tuple[str, ...]) -> None:
    assert dmarc_seen(RELAY, *fields) == "fail"
