"""The envelope token: made, read back, and short enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import AddressError
from maild.mail.address import parse_address, parse_path
from maild.mail.envelope_token import bears_token, delivery_among, delivery_of, return_address

KEY = b"k" * 32


@given(st.integers(0, 2**63 - 1))
def test_a_token_is_read_back_whatever_the_case(number: int) -> None:
    address = return_address(number, "Musterstadt.example", KEY)
    assert len(address.local) == 51
    assert parse_path(f"<{address}>") == address
    for text in (str(address), str(address).upper(), str(address).title()):
        assert delivery_of(parse_address(text), KEY) == number
    assert bears_token(address)


def test_a_token_holds_for_its_key_its_domain_and_its_address_alone() -> None:
    address = return_address(7, "a.example", KEY)
    others = [
        (address, b"x" * 32),
        (parse_address(str(address).replace("a.example", "b.example")), KEY),
        (parse_address(str(address).replace("bounces+", "info+")), KEY),
        (return_address(7, "a.example", KEY, prefix="info"), b"x" * 32),
    ]
    assert [delivery_of(other, key) for other, key in others] == [None] * 4
    assert delivery_among([parse_address("info@a.example"), address], KEY) == 7
    assert delivery_among([parse_address("info@a.example")], KEY) is None
    assert not bears_token(parse_address("info+r1.x@a.example"))


def test_no_token_is_made_that_does_not_hold() -> None:
    with pytest.raises(AddressError):
        return_address(1, "a.example", KEY, prefix="ruecklaeufer-der-stadt")
    for number, key in ((-1, KEY), (1 << 63, KEY), (1, b"short")):
        with pytest.raises(ValueError, match="a token needs"):
            return_address(number, "a.example", key)
    assert delivery_of(return_address(1, "a.example", KEY), b"") is None
