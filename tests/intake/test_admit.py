from __future__ import annotations

import pytest

from maild.intake.admit import ACCEPTED, NOT_OURS, UNKNOWN, admit
from maild.mail.address import Address, parse_address
from maild.mail.reply import Reply
from maild.rules.nearby import Nearby
from tests.rules.samples import WHOLE, rules_of

STRICT = rules_of(WHOLE)
FALLBACK = rules_of(WHOLE + "unknown_recipient: fallback\n")


@pytest.mark.parametrize(
    "text",
    [
        "info@a.example",
        "INFO@a.example",
        "info+detail@b.example",
        "kita@a.example",
        "krippe@b.example",
        "alt@a.example",
        "postmaster@a.example",
        "PostMaster@b.example",
        "postmaster+x@a.example",
        "abuse@a.example",
        "Abuse@b.example",
    ],
)
def test_admit_takes_what_somebody_claims(text: str) -> None:
    assert admit(STRICT, parse_address(text)) == ACCEPTED
    assert admit(FALLBACK, parse_address(text)) == ACCEPTED


@pytest.mark.parametrize("text", ["nobody@a.example", "krippe@a.example", "nur-b@a.example", "+x@a.example"])
def test_admit_leaves_the_unclaimed_to_the_rules(text: str) -> None:
    assert admit(STRICT, parse_address(text)) == UNKNOWN
    assert admit(FALLBACK, parse_address(text)) == ACCEPTED


def test_admit_refuses_an_empty_name_whatever_the_rules_say() -> None:
    for local in ("", " ", "."):
        assert admit(FALLBACK, Address(local=local, domain="a.example")) == UNKNOWN


def test_admit_takes_postmaster_without_a_domain_and_nobody_else() -> None:
    assert admit(STRICT, Address(local="PostMaster", domain="")) == ACCEPTED
    assert admit(FALLBACK, Address(local="abuse", domain="")) == UNKNOWN


@pytest.mark.parametrize("text", ["info@c.example", "postmaster@c.example", "info@[127.0.0.1]", "info@sub.a.example"])
def test_admit_takes_nothing_for_other_domains(text: str) -> None:
    assert admit(STRICT, parse_address(text)) == NOT_OURS
    assert admit(FALLBACK, parse_address(text)) == NOT_OURS


def test_the_refusal_of_a_misspelt_address_names_the_one_meant() -> None:
    nearby = Nearby(STRICT)
    misspelt = parse_address("kta.platzvergabe@a.example")
    reply = admit(STRICT, misspelt, nearby)
    assert str(reply) == "550 5.1.1 No such address; did you mean kita.platzvergabe@a.example?"
    assert admit(STRICT, parse_address("nobody@a.example"), nearby) == UNKNOWN
    assert admit(STRICT, parse_address("kta.platzvergabe@c.example"), nearby) == NOT_OURS
    assert admit(STRICT, misspelt) == UNKNOWN
    assert admit(FALLBACK, misspelt, Nearby(FALLBACK)) == ACCEPTED


def test_the_longest_address_that_rules_may_have_fits_into_a_refusal() -> None:
    domain = ".".join(["d" * 59] * 3) + ".example"
    name = "x" * 64
    ruleset = rules_of(f"domains: [{domain}]\naddresses:\n  {name}: {{team: poststelle}}\n")
    reply = admit(ruleset, parse_address(f"{name[:-1]}y@{domain}"), Nearby(ruleset))
    assert f"{name}@{domain}?" in str(reply)


@pytest.mark.parametrize("reply", [ACCEPTED, UNKNOWN, NOT_OURS])
def test_replies_name_no_team_and_no_rule(reply: Reply) -> None:
    assert not {"team", "rule", "fallback", "poststelle"} & set(reply.text.lower().split())
