"""T7: a forged delivery report says of a letter that it failed, or makes its way into somebody else's conversation.

Expected: no token that maild did not make is taken for one, whatever is changed in one that it did; what the envelope
token does not prove ties only for who has the letter; and no report changes what became of a delivery (see also
`tests/archive/test_returns.py`).
"""

from __future__ import annotations

import random
import string

import pytest

from maild.mail.address import Address
from maild.mail.dsn_reading import report_of
from maild.mail.envelope_token import delivery_of, return_address

KEY = bytes(range(32))
_LETTERS = string.ascii_letters + string.digits + "+.=-_%!"
MUTATIONS = 100_000
KELVIN = "\N{KELVIN SIGN}"  # in lower case an ordinary k


def _mutated(text: str, chance: random.Random) -> str:
    """Change, drop, double, swap or exchange something, in one to three places."""
    letters = list(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(letters))
        match chance.randrange(5):
            case 0:
                letters[at] = chance.choice(_LETTERS)
            case 1 if len(letters) > 1:
                del letters[at]
            case 2:
                letters.insert(at, chance.choice(_LETTERS))
            case 3:
                letters[at], letters[at - 1] = letters[at - 1], letters[at]
            case _:
                letters[at] = chr(ord(letters[at]) ^ 1 << chance.randrange(7))
    return "".join(letters)


def test_of_a_hundred_thousand_changed_tokens_none_is_accepted() -> None:
    chance = random.Random(20260921)
    tried = 0
    while tried < MUTATIONS:
        number = chance.getrandbits(chance.choice((8, 31, 63)))
        genuine = return_address(number, "musterstadt.example", KEY)
        for _ in range(50):
            local = _mutated(genuine.local, chance)
            if local.lower() == genuine.local:
                continue  # the same token: some systems fold the case
            tried += 1
            assert delivery_of(Address(local=local, domain=genuine.domain), KEY) is None, local


def test_the_number_of_another_delivery_under_a_genuine_mac_is_not_accepted() -> None:
    one, two = (return_address(number, "musterstadt.example", KEY).local for number in (1, 2))
    crossed = ".".join((*two.split(".")[:2], one.split(".")[2]))
    assert delivery_of(Address(local=crossed, domain="musterstadt.example"), KEY) is None


@pytest.mark.parametrize(
    "local",
    [
        "bounces",
        "bounces+r1",
        "bounces+r1..",
        "r1.1.1",
        f"bounces+r1.{'0' * 13}.{'0' * 26}",
        f"bounces+r1.{KELVIN * 13}.{'0' * 26}",
    ],
)
def test_what_only_looks_like_a_token_is_none(local: str) -> None:
    assert delivery_of(Address(local=local, domain="a.example"), KEY) is None


def test_a_letter_of_a_person_with_the_words_of_a_report_is_none() -> None:
    letter = (
        b"From: Eve <eve@evil.example>\r\nTo: info@musterstadt.example\r\nSubject: Undelivered Mail\r\n\r\n"
        b"could not be delivered:\r\n\r\n<petra@citizen.example>: 550 5.1.1 user unknown\r\n\r\n"
        b"Final-Recipient: rfc822; petra@citizen.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"Received: x\r\nMessage-ID: <own@musterstadt.example>\r\n"
    )
    assert report_of(letter) is None
