"""Public keys as domains publish them: read, and a signature verified with one.

Promises: never raises; what is too dear is not done: keys have at most 4,096 bits and an exponent of at most 32.

Source: RFC 6376 §3.6.1, §6.1.2, §6.1.3; RFC 8301 §3.2; RFC 8463 §3, §4.
"""

from __future__ import annotations

import binascii
import hashlib
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from maild.authentication.tags import Tags, read_tags

LEAST_BITS, MOST_BITS = 1024, 4096
_EXPONENT_BITS = 32
_ED25519_OCTETS = 32
_RECORD_OCTETS = 8192
_RECORDS = 10
# Security: the points of small order, with every y that stands for one; the highest bit is the sign of x. A signature
# that anybody can write down holds for one mail in eight or more under such a key (RFC 8032 §8.9 leaves it open).
_SMALL_ORDER = frozenset(
    map(
        bytes.fromhex,
        (
            *("00" * 32, "01" + "00" * 31, *(low + "ff" * 30 + "7f" for low in ("ec", "ed", "ee"))),
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        ),
    )
)
_PADDING, _HASH = PKCS1v15(), Prehashed(SHA256())


class Key(NamedTuple):
    """A key and what its domain says of it. With a `result` (of RFC 8601) it cannot be used; `reason` says why."""

    public: RSAPublicKey | Ed25519PublicKey | None = None
    digest: str = ""  # SHA-256 of what p= holds, hexadecimal
    bits: int = 0
    testing: bool = False  # t=y
    strict: bool = False  # t=s: the agent must be of the domain itself, not of one below
    result: str = ""
    reason: str = ""


def choose_key(records: tuple[bytes, ...], kind: str) -> Key:
    """Return the key of a kind (`rsa`, `ed25519`) among the TXT records of a selector.

    There should be one record. Of several the first counts that has such a key.
    """
    keys = [read_key(record, kind) for record in records[:_RECORDS]]
    unusable = keys[0] if keys else _unusable("there is no key")
    return next((key for key in keys if not key.result), unusable)


def read_key(record: bytes, kind: str) -> Key:
    """Read a record, for a signature that needs this kind of key."""
    return _read(record, kind) if len(record) <= _RECORD_OCTETS else _unusable("no record of a key: it is too long")


@lru_cache(maxsize=512)  # one key signs all the mail of its domain
def _read(record: bytes, kind: str) -> Key:
    tags = read_tags(record)
    if tags.flaw or tags.get("v") not in (None, "DKIM1") or tags.get("p") is None:
        return _unusable(f"no record of a key{tags.flaw and ': '}{tags.flaw}")
    if tags.get("v") is not None and next(iter(tags.values)) != "v":
        return _unusable("no record of a key: v= is not at its beginning")
    if (tags.get("k") or "rsa") != kind:
        return _unusable("the key is of another kind than the signature")
    if "sha256" not in _listed(tags, "h", "sha256"):
        return _unusable("the key is not for SHA-256")
    if not {"*", "email"} & set(_listed(tags, "s", "*")):
        return _unusable("the key is not for mail")
    text = tags.compact("p")
    if not text:
        return _unusable("the key is revoked")
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return _unusable("the key is not base64")
    flags = _listed(tags, "t", "")
    key = _rsa(octets) if kind == "rsa" else _ed25519(octets)
    return key._replace(digest=hashlib.sha256(octets).hexdigest(), testing="y" in flags, strict="s" in flags)


def _listed(tags: Tags, name: str, default: str) -> list[str]:
    text = tags.compact(name)
    return (default if text is None else text).split(":")


def _unusable(reason: str, result: str = "permerror") -> Key:
    return Key(result=result, reason=reason)


def _rsa(octets: bytes) -> Key:
    """Read a SubjectPublicKeyInfo, or the bare RSAPublicKey that RFC 6376 §3.6.1 speaks of."""
    try:
        public = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return _unusable("the key is no RSA key")
    if not isinstance(public, RSAPublicKey):
        return _unusable("the key is no RSA key")
    bits = public.key_size
    if bits < LEAST_BITS:
        return Key(bits=bits, result="policy", reason=f"the key has fewer than {LEAST_BITS} bits")
    # Security: a verification costs the square of the bits for each bit of the exponent, and a stranger chooses both.
    if bits > MOST_BITS:
        return Key(bits=bits, result="policy", reason=f"the key has more than {MOST_BITS} bits")
    if public.public_numbers().e.bit_length() > _EXPONENT_BITS:
        return Key(bits=bits, result="policy", reason="the exponent of the key is too large")
    return Key(public=public, bits=bits)


def _ed25519(octets: bytes) -> Key:
    if len(octets) != _ED25519_OCTETS:
        return _unusable("the key is no Ed25519 key")
    if octets[:-1] + bytes([octets[-1] & 0x7F]) in _SMALL_ORDER:
        return _unusable("the key is one that anybody can sign with")
    return Key(public=Ed25519PublicKey.from_public_bytes(octets), bits=8 * _ED25519_OCTETS)


def is_signed(key: Key, signature: bytes, digest: bytes) -> bool:
    """Say whether a signature over a digest (SHA-256) is made with this key."""
    try:
        if isinstance(key.public, RSAPublicKey):
            key.public.verify(signature, digest, _PADDING, _HASH)
        elif key.public is not None:
            key.public.verify(signature, digest)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True
