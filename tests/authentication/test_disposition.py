"""What becomes of a letter."""

from __future__ import annotations

import pytest

from maild.authentication.disposition import Disposition, Fate, Setting, dispose, refusal
from maild.mail.authentication import Verdicts
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf

FAIL = Dmarc("fail", "news.shop.example", "shop.example", policy="reject")
CHAIN = Arc("pass", ("list.example",), trusted=True, verdicts=Verdicts(dmarc="pass"))
REFUSE, SUSPICIOUS, NOTE = Setting
CASES = {
    # setting, evidence of DMARC and ARC, what becomes of it, and why not what the domain asked for
    "it passes": (REFUSE, FAIL._replace(result="pass"), Arc(), Fate.ACCEPT, ""),
    "no record": (REFUSE, Dmarc("none", "shop.example"), Arc(), Fate.ACCEPT, ""),
    "the DNS did not say": (REFUSE, FAIL._replace(result="temperror"), Arc(), Fate.ACCEPT, ""),
    "the record is broken": (REFUSE, FAIL._replace(result="permerror"), Arc(), Fate.ACCEPT, ""),
    "nothing is asked for": (REFUSE, FAIL._replace(policy="none"), Arc(), Fate.ACCEPT, ""),
    "a refusal is asked for": (REFUSE, FAIL, Arc(), Fate.REFUSE, ""),
    "a refusal is asked for, filed": (SUSPICIOUS, FAIL, Arc(), Fate.SUSPICIOUS, "policy"),
    "a refusal is asked for, noted": (NOTE, FAIL, Arc(), Fate.ACCEPT, "policy"),
    "quarantine": (REFUSE, FAIL._replace(policy="quarantine"), Arc(), Fate.SUSPICIOUS, ""),
    "quarantine, filed": (SUSPICIOUS, FAIL._replace(policy="quarantine"), Arc(), Fate.SUSPICIOUS, ""),
    "quarantine, noted": (NOTE, FAIL._replace(policy="quarantine"), Arc(), Fate.ACCEPT, "policy"),
    "reject is tested": (
        REFUSE,
        FAIL._replace(policy="quarantine", testing=True),
        Arc(),
        Fate.SUSPICIOUS,
        "testing",
    ),
    "quarantine is tested": (REFUSE, FAIL._replace(policy="none", testing=True), Arc(), Fate.ACCEPT, "testing"),
    "a trusted list": (REFUSE, FAIL, CHAIN, Fate.ACCEPT, "arc"),
    "a trusted list, filed": (SUSPICIOUS, FAIL, CHAIN, Fate.ACCEPT, "arc"),
    "a trusted list that says nothing of DMARC": (
        REFUSE,
        FAIL,
        CHAIN._replace(verdicts=Verdicts(dkim="pass")),
        Fate.ACCEPT,
        "arc",
    ),
    "a trusted list that saw it fail": (REFUSE, FAIL, CHAIN._replace(verdicts=Verdicts(dmarc="fail")), Fate.REFUSE, ""),
    "a list that is not trusted": (REFUSE, FAIL, CHAIN._replace(trusted=False), Fate.REFUSE, ""),
    "a chain that is broken": (REFUSE, FAIL, CHAIN._replace(result="fail"), Fate.REFUSE, ""),
    "a chain that nobody could check": (REFUSE, FAIL, CHAIN._replace(result="temperror"), Fate.REFUSE, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_letter_meets_the_fate_that_its_domain_asks_for(case: str) -> None:
    setting, dmarc, arc, fate, override = CASES[case]
    found = dispose(setting, Evidence(1, dmarc=dmarc, arc=arc))
    assert (found.fate, found.override) == (fate, override)
    assert (found.reply is not None) == (fate is Fate.REFUSE)


def test_a_refusal_says_whose_policy_what_failed_and_what_to_do() -> None:
    evidence = Evidence(1, Spf("softfail", "evil.example"), (Dkim("fail", "shop.example"),), dmarc=FAIL)
    assert str(refusal(evidence)) == (
        "550 5.7.26 Refused by the DMARC policy of shop.example: nothing proves that this mail is from "
        "news.shop.example (SPF: softfail, DKIM: fail). Send it by a server of that domain, or ask its administrator "
        "for help"
    )


@pytest.mark.parametrize("domain", ["", "a." * 126 + "b", "a\r\n250 ok", "m\u00fcller.example", "\x00"])
def test_a_refusal_is_one_line_whatever_the_names_are(domain: str) -> None:
    dmarc = FAIL._replace(domain=domain, record_domain=domain)
    reply = refusal(Evidence(1, Spf("x\r\ny"), (), dmarc=dmarc))
    assert len(str(reply)) <= 510
    assert reply.text.isprintable()
    assert "SPF: unknown, DKIM: none" in reply.text


def test_a_disposition_is_a_plain_value() -> None:
    assert dispose(REFUSE, Evidence(1)) == Disposition(Fate.ACCEPT)
