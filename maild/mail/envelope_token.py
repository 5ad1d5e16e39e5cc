"""The envelope token: the reverse-path of what we send names the delivery, so that a report is tied to it.

    bounces+r1.NUMBER.MAC@domain

The token is 13 characters for the delivery and 26 for the MAC: 128 bits of HMAC-SHA-256, over the purpose, the
delivery and the whole mailbox around it. Letters are those of Crockford's base 32 in lower case, so that folding the
case changes nothing and no character is mistaken for another. With `bounces+r1.` before it the local part has 51 octets
of the 64 that RFC 5321 allows.

Security: whoever sees a reverse-path (its recipient does) can make a report about that one delivery, and no other.

Source: RFC 5321 §4.5.3.1.1; the idea is VERP.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from maild.errors import AddressError
from maild.mail.address import LOCAL_OCTETS, Address, fold
from maild.mail.ids import base32

PREFIX = "bounces"
MAC_BITS = 128
_PURPOSE = b"maild envelope token 1\0"
_MARK = "r1"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}
_ID_LENGTH, _MAC_LENGTH = 13, 26
_LEAST_KEY_BYTES = 16


def return_address(delivery_id: int, domain: str, key: bytes, *, prefix: str = PREFIX) -> Address:
    """Compose the reverse-path of a delivery.

    Args:
        delivery_id: from 0 below 2^63.
        domain: one that we serve.
        key: the secret, at least 16 octets.
        prefix: the address of ours that reports come to, without its domain.

    Raises:
        AddressError: when the local part would be too long.
        ValueError: when the key is too short, or the id is none.
    """
    if len(key) < _LEAST_KEY_BYTES or not 0 <= delivery_id < 1 << 63:
        raise ValueError("a token needs a key of 16 octets and an id of 63 bits")
    prefix = fold(prefix)
    local = f"{prefix}+{_MARK}.{encoded(delivery_id, _ID_LENGTH)}.{_mac(delivery_id, prefix, domain, key)}"
    if len(local.encode()) > LOCAL_OCTETS:
        raise AddressError("the address for reports is too long for a token")
    return Address(local=local, domain=domain.lower())


def delivery_of(address: Address, key: bytes) -> int | None:
    """Return the delivery that a token names; None for an address that bears none, or one that we did not make."""
    if not address.local.isascii():
        return None
    prefix, plus, token = address.local.lower().rpartition("+")
    mark, _, rest = token.partition(".")
    number, dot, mac = rest.partition(".")
    if not plus or not dot or mark != _MARK or len(number) != _ID_LENGTH or len(mac) != _MAC_LENGTH:
        return None
    delivery_id = decoded(number)
    if delivery_id is None or len(key) < _LEAST_KEY_BYTES:
        return None
    expected = _mac(delivery_id, fold(prefix), address.domain, key)
    return delivery_id if hmac.compare_digest(expected.encode(), mac.encode()) else None


def delivery_among(addresses: Iterable[Address], key: bytes) -> int | None:
    """Return the delivery that the first of these addresses names which bears a token of ours."""
    return next((found for address in addresses if (found := delivery_of(address, key)) is not None), None)


def bears_token(address: Address) -> bool:
    """Tell whether an address looks like one with a token, whoever made it: such mail is for no person."""
    return f"+{_MARK}." in address.local.lower() and len(address.local) > _ID_LENGTH + _MAC_LENGTH


def _mac(delivery_id: int, prefix: str, domain: str, key: bytes) -> str:
    said = _PURPOSE + delivery_id.to_bytes(8, "big") + prefix.encode() + b"@" + domain.lower().encode()
    digest = hmac.digest(key, said, "sha256")[: MAC_BITS // 8]
    return encoded(int.from_bytes(digest, "big"), _MAC_LENGTH)


def encoded(number: int, length: int) -> str:
    """Write a number in so many letters, five bits each."""
    return base32(number, length).lower()


def decoded(text: str) -> int | None:
    """Read what `encoded` wrote; None for other letters, and beyond 63 bits."""
    number = 0
    for c in text:
        if c not in _VALUES:
            return None
        number = number << 5 | _VALUES[c]
    return number if number < 1 << 63 else None
