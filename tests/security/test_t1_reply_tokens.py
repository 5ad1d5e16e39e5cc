"""T1: an address that lets one write as staff is guessed, forged, changed by a letter, or made with another secret.

Expected: of 100,000 mutations none is accepted, by the pure check or at RCPT; there is no other way in without one.
"""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import AddressError
from maild.intake.admit import ACCEPTED, UNKNOWN, admit
from maild.mail.address import Address, parse_address, parse_path
from maild.mail.envelope_token import delivery_of, return_address
from maild.mail.reply_token import PREFIX, Claim, claim_of, ends_ms, reply_address
from tests.web.office import rules

KEY, OTHER = b"k" * 32, b"o" * 32
NOW_MS = 1_790_000_000_000
CLAIM = Claim(letter_id=NOW_MS << 21 | 77, user_id=7, until_ms=ends_ms(NOW_MS))
DOMAIN = "musterstadt.example"
LETTERS = string.ascii_letters + string.digits + ".+-=_@"
MUTATIONS = 100_000


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**30 - 1), st.integers(0, 2**20 - 1))
def test_a_claim_is_read_back_whatever_the_case(letter: int, user: int, hour: int) -> None:
    claim = Claim(letter_id=letter, user_id=user, until_ms=hour * 3_600_000)
    address = reply_address(claim, "Musterstadt.example", KEY)
    assert len(address.local) == 61
    assert parse_path(f"<{address}>") == address
    for text in (str(address), str(address).upper(), str(address).title()):
        assert claim_of(parse_address(text), KEY) == claim


def _mutated(chance: random.Random, local: str) -> str:
    at, other = chance.randrange(len(local)), chance.choice(LETTERS)
    match chance.randrange(6):
        case 0:
            return local[:at] + other + local[at + 1 :]
        case 1:
            return local[:at] + local[at + 1 :]
        case 2:
            return local[:at] + other + local[at:]
        case 3:
            there = chance.randrange(len(local))
            first, last = min(at, there), max(at, there)
            return local[:first] + local[first:last][::-1] + local[last:]
        case 4:
            return local[: max(at, 1)]
        case _:
            return "".join(chance.choice(LETTERS) if chance.random() < 0.1 else c for c in local)


def test_none_of_100_000_mutations_is_accepted() -> None:
    chance = random.Random(20261122)
    local = reply_address(CLAIM, DOMAIN, KEY).local
    tried = 0
    while tried < MUTATIONS:
        mutated = _mutated(chance, local)
        if mutated.lower() == local:
            continue
        tried += 1
        assert claim_of(Address(local=mutated, domain=DOMAIN), KEY) is None, mutated


FORGED = {
    "another's secret": reply_address(CLAIM, DOMAIN, OTHER),
    "another domain's": Address(local=reply_address(CLAIM, "other.example", KEY).local, domain=DOMAIN),
    "no MAC": Address(local=reply_address(CLAIM, DOMAIN, KEY).local.rpartition(".")[0], domain=DOMAIN),
    "empty MAC": Address(local=reply_address(CLAIM, DOMAIN, KEY).local.rpartition(".")[0] + ".", domain=DOMAIN),
    "letter of the alphabet that stands for another": Address(
        local=reply_address(CLAIM, DOMAIN, KEY).local.replace("0", "o"), domain=DOMAIN),
    "an address for reports": return_address(CLAIM.letter_id, DOMAIN, KEY),
    "of a report, under our prefix": return_address(CLAIM.letter_id, DOMAIN, KEY, prefix=PREFIX),
    "older form": Address(local="reply+7.38bg3jfa", domain=DOMAIN),
    "bare": Address(local=PREFIX, domain=DOMAIN),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forgery_is_nobodys_address(forgery: str) -> None:
    assert claim_of(FORGED[forgery], KEY) is None
    if "report" not in forgery:
        assert admit(rules(), FORGED[forgery], token_key=KEY) == UNKNOWN


def test_a_good_address_is_ours_and_no_address_for_reports() -> None:
    address = reply_address(CLAIM, DOMAIN, KEY)
    assert admit(rules(), address, token_key=KEY) == ACCEPTED
    assert admit(rules(), address) == UNKNOWN
    assert delivery_of(address, KEY) is None


def test_the_member_the_letter_and_the_end_are_under_the_seal() -> None:
    local = reply_address(CLAIM, DOMAIN, KEY).local
    mac = local.rpartition(".")[2]
    others = [
        Claim(letter_id=CLAIM.letter_id + 1, user_id=7, until_ms=CLAIM.until_ms),
        Claim(letter_id=CLAIM.letter_id, user_id=8, until_ms=CLAIM.until_ms),
        Claim(letter_id=CLAIM.letter_id, user_id=7, until_ms=CLAIM.until_ms + 3_600_000),
    ]
    for other in others:
        said = reply_address(other, DOMAIN, OTHER).local.rpartition(".")[0]
        key_id = local.partition(".")[2][:2]
        forged = f"reply+c1.{key_id}{said.rpartition('.')[2][2:]}.{mac}"
        assert claim_of(Address(local=forged, domain=DOMAIN), KEY) is None


def test_no_token_is_made_that_does_not_hold() -> None:
    for claim, key in ((CLAIM, b"short"), (Claim(letter_id=-1, user_id=1, until_ms=0), KEY),
                       (Claim(letter_id=1, user_id=1 << 30, until_ms=0), KEY),
                       (Claim(letter_id=1, user_id=1, until_ms=5), KEY)):  # fmt: skip
        with pytest.raises(ValueError, match="a token needs"):
            reply_address(claim, DOMAIN, key)
    with pytest.raises(AddressError):
        parse_address(f"{'x' * 4}{reply_address(CLAIM, DOMAIN, KEY)}")
