"""The reply address of a copy: whoever got a letter in their own mailbox answers to it, and to nothing else.

    reply+c1.CLAIM.MAC@domain

The claim has 25 characters: which secret (2), the letter (13), the member (6), the hour at which it ends (4). The MAC
has 26: 128 bits of HMAC-SHA-256 over the purpose, the claim and the whole mailbox around it. The letter names the case:
whatever conversation and inbox it lies in when the answer comes. Letters are those of Crockford's base 32 in lower
case, so that folding the case changes nothing. The local part has 61 octets of the 64 that RFC 5321 allows.

Security: the address alone lets nobody write. It says whose answer is awaited; that the answer is theirs is proven by
the mail system, and that they may still answer is asked when it comes. Without a good token there is no other way in.

Source: RFC 5321 §4.5.3.1.1; threats T1, T2, T8.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.envelope_token import MAC_BITS, decoded, encoded

PREFIX = "reply"
LIFETIME_MS = 30 * 24 * 3600 * 1000
_PURPOSE = b"maild reply token 1\0"
_KEY_PURPOSE = b"maild reply token key 1\0"
_MARK = "c1"
_KEY, _LETTER, _MEMBER, _HOUR, _MAC = 2, 13, 6, 4, 26  # characters
_CLAIM = _KEY + _LETTER + _MEMBER + _HOUR
_HOUR_MS = 3600 * 1000
_LEAST_KEY_BYTES = 16

# As it may stand in a quotation: in any case, broken by lines, marks of quotations and soft breaks, percent-encoded.
_BETWEEN = r"[\s>=|\u00ad\u200b-\u200d\u2060\ufeff]{0,8}"
_LETTERS = "0-9abcdefghjkmnpqrstvwxyz"
_QUOTED = re.compile(
    rf"(?:{_BETWEEN.join(PREFIX)}{_BETWEEN}(?:\+|%2b|&#43;|&#x2b;){_BETWEEN})?"
    rf"c{_BETWEEN}1{_BETWEEN}\.{_BETWEEN}(?:[{_LETTERS}]{_BETWEEN}){{{_CLAIM}}}\.{_BETWEEN}"
    rf"[{_LETTERS}](?:{_BETWEEN}[{_LETTERS}]){{{_MAC - 1}}}"
    rf"(?:{_BETWEEN}(?:@|%40|&#64;){_BETWEEN}[a-z0-9._-]{{1,253}})?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Whose answer to which letter an address awaits, and until when."""

    letter_id: int
    user_id: int
    until_ms: int


def ends_ms(now_ms: int) -> int:
    """Return when a token made now ends: after 30 days, at a full hour."""
    return -(-(now_ms + LIFETIME_MS) // _HOUR_MS) * _HOUR_MS


def reply_address(claim: Claim, domain: str, key: bytes) -> Address:
    """Compose the address that a copy is answered to.

    Args:
        claim: `until_ms` is a full hour.
        domain: one that we serve.
        key: the secret, at least 16 octets.

    Raises:
        ValueError: the key is too short, or a number does not fit.
    """
    hour, rest = divmod(claim.until_ms, _HOUR_MS)
    numbers = ((claim.letter_id, 63), (claim.user_id, 5 * _MEMBER), (hour, 5 * _HOUR))
    if len(key) < _LEAST_KEY_BYTES or rest or not all(0 <= number < 1 << bits for number, bits in numbers):
        raise ValueError("a token needs a key of 16 octets, ids of 63 and 30 bits, and a full hour")
    said = _key_id(key) + encoded(claim.letter_id, _LETTER) + encoded(claim.user_id, _MEMBER) + encoded(hour, _HOUR)
    return Address(local=f"{PREFIX}+{_MARK}.{said}.{_mac(said, domain, key)}", domain=domain.lower())


def claim_of(address: Address, key: bytes) -> Claim | None:
    """Return what an address claims, also when its time is over; None for one that we did not make."""
    if not address.local.isascii() or len(key) < _LEAST_KEY_BYTES:
        return None
    prefix, plus, token = address.local.lower().partition("+")
    mark, _, rest = token.partition(".")
    said, dot, mac = rest.partition(".")
    if prefix != PREFIX or not plus or not dot or mark != _MARK or len(said) != _CLAIM or len(mac) != _MAC:
        return None
    if not hmac.compare_digest(_mac(said, address.domain, key).encode(), mac.encode()):
        return None
    letter_id = decoded(said[_KEY : _KEY + _LETTER])
    user_id = decoded(said[_KEY + _LETTER : -_HOUR])
    hour = decoded(said[-_HOUR:])
    if letter_id is None or user_id is None or hour is None:
        return None
    return Claim(letter_id=letter_id, user_id=user_id, until_ms=hour * _HOUR_MS)


def without_tokens(text: str, instead: str) -> str:
    """Return a text in which each reply address, whoever made it, is replaced."""
    return _QUOTED.sub(lambda _: instead, text)


def holds_token(octets: bytes) -> bool:
    """Tell whether octets hold a reply address, in an encoding that has ASCII in it or between NULs (UTF-16)."""
    return any(_QUOTED.search(each.decode("latin-1")) is not None for each in {octets, octets.replace(b"\0", b"")})


def _key_id(key: bytes) -> str:
    digest = hashlib.sha256(_KEY_PURPOSE + key).digest()
    return encoded(int.from_bytes(digest[:2], "big") >> 6, _KEY)


def _mac(said: str, domain: str, key: bytes) -> str:
    mailbox = f"{PREFIX}+{_MARK}.{said}@{domain.lower()}"
    digest = hmac.new(key, _PURPOSE + mailbox.encode(), hashlib.sha256).digest()[: MAC_BITS // 8]
    return encoded(int.from_bytes(digest, "big"), _MAC)
