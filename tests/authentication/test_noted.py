from __future__ import annotations

import pytest

from maild.authentication.noted import standing_noted
from maild.authentication.relayed import evidence_of
from maild.mail.evidence import Dkim, Dmarc, Evidence
from maild.mail.header import read_header

OURS = frozenset({"town.example"})
PASSED = Evidence(1, dmarc=Dmarc("pass", "shop.example", dkim_aligned=True))
SIGNED = (Dkim("pass", "shop.example"),)


@pytest.mark.parametrize(
    ("evidence", "from_mail", "kind"),
    [
        (None, "a@shop.example", "unknown"),
        (PASSED, "a@shop.example", "confirmed"),
        (PASSED, "a@other.example", "unconfirmed"),
        (PASSED, "", "unconfirmed"),
        (PASSED, "a@shop_example@", "unconfirmed"),
        # The strict reading has found no author: the lenient one does not count, whatever is signed.
        (Evidence(1, dkim=SIGNED), "a@shop.example", "unconfirmed"),
        (Evidence(1, dkim=SIGNED, dmarc=Dmarc(domain="shop.example")), "a@shop.example", "confirmed"),
        (Evidence(1, dmarc=Dmarc("fail", "shop.example", policy="reject")), "a@shop.example", "forged"),
        (Evidence(1, dmarc=Dmarc(domain="town.example")), "chef@town.example", "forged"),
        (Evidence(1, dmarc=Dmarc("permerror")), "chef@town.example", "unconfirmed"),
        (Evidence(1, dmarc=Dmarc("pass", "xn--mller-kva.example")), "a@müller.example", "confirmed"),
    ],
)
def test_what_is_noted_of_a_letter_says_never_more_than_the_letter(
    evidence: Evidence | None, from_mail: str, kind: str
) -> None:
    assert standing_noted(evidence, from_mail, OURS).kind == kind


@pytest.mark.parametrize(
    ("author", "kind"),
    [
        ("a@shop.example", "confirmed"),
        ("a@shop.example, b@bank.example", "unconfirmed"),
        ("a@shop.example\r\nFrom: b@bank.example", "unconfirmed"),
    ],
)
def test_what_a_relay_says_of_one_author_of_several_confirms_none(author: str, kind: str) -> None:
    octets = b"Authentication-Results: mx.example; dmarc=pass header.from=shop.example\r\nReceived: x\r\n"
    octets += f"From: {author}\r\n\r\n".encode()
    fields = read_header(octets, 0, len(octets), b"\n").fields
    evidence = evidence_of(fields, ["mx.example"], null_path=False, received_ms=1)
    assert evidence is not None
    assert evidence.dmarc.result == "pass"
    assert standing_noted(evidence, "a@shop.example", OURS).kind == kind
