"""One word for people."""

from __future__ import annotations

import pytest

from maild.authentication.standing import StandingKind, standing_of
from maild.mail.authentication import Verdicts
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf

AUTHOR = "shop.example"
OURS = frozenset({"town.example"})
UNKNOWN, CONFIRMED, UNCONFIRMED, FORGED = "unknown", "confirmed", "unconfirmed", "forged"


def evidence(
    dmarc: Dmarc | None = None,
    *,
    spf: Spf | None = None,
    dkim: tuple[Dkim, ...] = (),
    arc: Arc | None = None,
    relay: str = "",
) -> Evidence:
    return Evidence(1, spf or Spf(), dkim, arc or Arc(), dmarc or Dmarc(), relay)


def dmarc(result: str, policy: str = "none", domain: str = AUTHOR, *, dkim: bool = False, spf: bool = False) -> Dmarc:
    return Dmarc(result, domain=domain, policy=policy, dkim_aligned=dkim, spf_aligned=spf)


VOUCHED = Arc("pass", ("list.example", "first.example"), trusted=True, verdicts=Verdicts(dmarc="pass"))
CASES = {
    "nobody has looked": (None, AUTHOR, UNKNOWN, "", ""),
    "DMARC passes by DKIM": (evidence(dmarc("pass", dkim=True, spf=True)), AUTHOR, CONFIRMED, AUTHOR, "dkim"),
    "DMARC passes by SPF": (evidence(dmarc("pass", spf=True)), AUTHOR, CONFIRMED, AUTHOR, "spf"),
    "DMARC passes by a signature that leaves out what is seen": (
        evidence(dmarc("pass", dkim=True), dkim=(Dkim("pass", AUTHOR, uncovered="subject"),)),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "such a signature, and SPF": (
        evidence(dmarc("pass", dkim=True, spf=True), dkim=(Dkim("pass", AUTHOR, uncovered="subject"),)),
        AUTHOR,
        CONFIRMED,
        AUTHOR,
        "spf",
    ),
    "such a signature, and one beside it of the same domain": (
        evidence(
            dmarc("pass", dkim=True), dkim=(Dkim("pass", AUTHOR, uncovered="subject"), Dkim("pass", f"m.{AUTHOR}"))
        ),
        AUTHOR,
        CONFIRMED,
        AUTHOR,
        "dkim",
    ),
    "such a signature, and one beside it of a stranger": (
        evidence(
            dmarc("pass", dkim=True), dkim=(Dkim("pass", AUTHOR, uncovered="subject"), Dkim("pass", "evil.example"))
        ),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "such a signature without DMARC": (
        evidence(dkim=(Dkim("pass", AUTHOR, uncovered="subject"),)),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "a relay says that it passes": (
        evidence(dmarc("pass", domain=""), relay="mx.town.example"),
        AUTHOR,
        CONFIRMED,
        AUTHOR,
        "dmarc",
    ),
    "it passes for nobody": (evidence(dmarc("pass", domain="")), AUTHOR, UNCONFIRMED, "", ""),
    "it passes for another author": (evidence(dmarc("pass", domain="evil.example")), AUTHOR, UNCONFIRMED, "", ""),
    "it passes, but who wrote it?": (evidence(dmarc("pass", dkim=True)), "", UNCONFIRMED, "", ""),
    "who wrote it, and a signature of nobody": (evidence(dkim=(Dkim("pass", ""),)), "", UNCONFIRMED, "", ""),
    "DMARC fails, and the domain asks for nothing": (evidence(dmarc("fail")), AUTHOR, UNCONFIRMED, "", ""),
    "DMARC fails: quarantine": (evidence(dmarc("fail", "quarantine")), AUTHOR, FORGED, "", "dmarc"),
    "DMARC fails: reject": (evidence(dmarc("fail", "reject")), AUTHOR, FORGED, "", "dmarc"),
    "DMARC fails, and a signature of the domain passes": (
        evidence(dmarc("fail", "reject"), dkim=(Dkim("pass", AUTHOR),)),
        AUTHOR,
        FORGED,
        "",
        "dmarc",
    ),
    "DMARC fails behind a trusted list": (
        evidence(dmarc("fail", "reject"), arc=VOUCHED),
        AUTHOR,
        UNCONFIRMED,
        "list.example",
        "arc",
    ),
    "DMARC fails behind a list that is not trusted": (
        evidence(dmarc("fail", "reject"), arc=VOUCHED._replace(trusted=False)),
        AUTHOR,
        FORGED,
        "",
        "dmarc",
    ),
    "a trusted list saw it fail": (
        evidence(dmarc("fail", "reject"), arc=VOUCHED._replace(verdicts=Verdicts(dmarc="fail"))),
        AUTHOR,
        FORGED,
        "",
        "dmarc",
    ),
    "the DNS did not say": (evidence(dmarc("temperror", "reject")), AUTHOR, UNKNOWN, "", ""),
    "the record is broken": (evidence(dmarc("permerror")), AUTHOR, UNCONFIRMED, "", ""),
    "no DMARC, nothing else": (evidence(), AUTHOR, UNCONFIRMED, "", ""),
    "no DMARC, a signature of the domain": (evidence(dkim=(Dkim("pass", AUTHOR),)), AUTHOR, CONFIRMED, AUTHOR, "dkim"),
    "no DMARC, a signature of the domain above": (
        evidence(dkim=(Dkim("pass", AUTHOR),)),
        f"news.{AUTHOR}",
        CONFIRMED,
        f"news.{AUTHOR}",
        "dkim",
    ),
    "no DMARC, a signature of a domain below": (
        evidence(dkim=(Dkim("pass", f"tenant.{AUTHOR}"),)),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "no DMARC, a signature of a top-level domain": (
        evidence(dkim=(Dkim("pass", "example"),)),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "no DMARC, a signature of a like name": (
        evidence(dkim=(Dkim("pass", "hop.example"),)),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "no DMARC, a signature that fails": (evidence(dkim=(Dkim("fail", AUTHOR),)), AUTHOR, UNCONFIRMED, "", ""),
    "no DMARC, a key that nobody could fetch": (evidence(dkim=(Dkim("temperror", AUTHOR),)), AUTHOR, UNKNOWN, "", ""),
    "no DMARC, another's key that nobody could fetch": (
        evidence(dkim=(Dkim("temperror", "evil.example"),)),
        AUTHOR,
        UNCONFIRMED,
        "",
        "",
    ),
    "no DMARC, SPF passes": (evidence(spf=Spf("pass", AUTHOR)), AUTHOR, CONFIRMED, AUTHOR, "spf"),
    "no DMARC, SPF passes for another": (evidence(spf=Spf("pass", "evil.example")), AUTHOR, UNCONFIRMED, "", ""),
    "no DMARC, SPF passes for nobody": (evidence(spf=Spf("pass", "")), AUTHOR, UNCONFIRMED, "", ""),
    "no DMARC, SPF did not answer": (evidence(spf=Spf("temperror", AUTHOR)), AUTHOR, UNKNOWN, "", ""),
    "no DMARC, SPF softly fails": (evidence(spf=Spf("softfail", AUTHOR)), AUTHOR, UNCONFIRMED, "", ""),
    "our domain from outside": (evidence(), "town.example", FORGED, "", "own-domain"),
    "a subdomain of ours from outside": (evidence(), "x.y.town.example", FORGED, "", "own-domain"),
    "our domain, proven": (
        evidence(dkim=(Dkim("pass", "town.example"),)),
        "town.example",
        CONFIRMED,
        "town.example",
        "dkim",
    ),
    "our domain, and the DNS did not say": (
        evidence(dmarc("temperror", domain="town.example")),
        "town.example",
        UNKNOWN,
        "",
        "",
    ),
    "a domain that ends like ours": (evidence(), "downtown.example", UNCONFIRMED, "", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_sender_stands_as_the_evidence_says(case: str) -> None:
    found, author, kind, domain, by = CASES[case]
    assert standing_of(found, author, OURS) == (StandingKind(kind), domain, by)


@pytest.mark.parametrize("policy", ["none", "reject"])
def test_a_record_that_lets_everybody_pass_proves_nobody(policy: str) -> None:
    spf = Spf("pass", "firma.example", everybody=True)
    unmeasured = Evidence(1, spf)
    measured = Evidence(1, spf, dmarc=Dmarc("pass", "firma.example", policy=policy, spf_aligned=True))
    for found in (unmeasured, measured):
        assert standing_of(found, "firma.example", frozenset()).kind is StandingKind.UNCONFIRMED
        named = found._replace(spf=spf._replace(everybody=False))
        assert standing_of(named, "firma.example", frozenset()).kind is StandingKind.CONFIRMED
