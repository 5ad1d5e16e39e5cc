"""ARC for mail that is passed on: the set of three fields that is put above it.

Source: RFC 8617 §4.1, §5.1.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from maild.authentication.canonical import RELAXED, BodyHash, Mail, SignedField
from maild.authentication.chain import INSTANCES, ArcSet, BrokenChainError, read_sets
from maild.authentication.signing import SigningKey, UnsignableError, names_to_sign, signature_tags, signed_field
from maild.authentication.tags import emptied, read_tags, write_field

_FORMS = (RELAXED, RELAXED)
_CANNOT_STAND = re.compile(r"\r\n(?![ \t])|\r(?!\n)|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def seal(
    mail: Mail,
    body: BodyHash,
    key: SigningKey,
    *,
    authserv_id: str,
    results: str,
    status: str,
    now_s: int,
    names: Sequence[str] | None = None,
) -> bytes:
    """Return the next set of a mail, each field with its CRLF: to be put above it.

    There is none (no octets) where none may be: when a sealer before has found the chain broken, when there are fifty
    sets, when the sets cannot be counted, and when the DNS has not told what the chain is worth.

    Args:
        mail: its header as it goes out, with CRLF.
        body: of its body, hashed in the relaxed form.
        key: who seals.
        authserv_id: the name under which the results are given.
        results: what was found when the mail came, without that name, folded as it is to stand:
            `spf=pass smtp.mailfrom=…; dkim=…`.
        status: what the chain of the mail came to when it came (`Arc.result`).
        now_s: seconds of the epoch.
        names: of the fields to sign; None for those that a DKIM-Signature signs, and these themselves.

    Raises:
        UnsignableError: its header has line ends that are no CRLF, or lines that are no field.
        ValueError: the results are not the text of a field.
    """
    if _CANNOT_STAND.search(authserv_id + results):
        raise ValueError("these results are not the text of a field")
    if mail.flaw:
        raise UnsignableError(mail.flaw)
    try:
        sets = read_sets(mail)
    except BrokenChainError:
        return b""
    if not _may_be_sealed(mail, sets, status):
        return b""
    instance = str(len(sets) + 1)
    found = f"ARC-Authentication-Results: i={instance}; {authserv_id}; {results}\r\n".encode()
    tags = signature_tags(body, key, now_s=now_s, names=names or _names(mail), forms=_FORMS)
    signed = _field(found)
    message = signed_field(
        "ARC-Message-Signature", _sorted(tags | {"i": instance}), Mail((signed, *mail.fields), mail.body_start), key
    )
    tags = {"a": key.algorithm, "b": "", "d": key.domain, "i": instance, "s": key.selector, "t": str(now_s)}
    # RFC 8617 §5.1.2: the seal of a broken chain is about its own set only.
    before = [mail.fields[place] for each in sets for place in each] if status == "pass" else []
    tags["cv"] = "none" if not sets else "pass" if status == "pass" else "fail"
    return _sealed([*before, signed, _field(message)], _sorted(tags), key) + message + found


def _may_be_sealed(mail: Mail, sets: list[ArcSet], status: str) -> bool:
    if len(sets) >= INSTANCES or status == "temperror":
        return False
    return not sets or (read_tags(mail.fields[sets[-1].seal].value).get("cv") or "").lower() != "fail"


def _names(mail: Mail) -> list[str]:
    """Return what an ARC-Message-Signature signs: the signatures that the mail came with, too (RFC 8617 §4.1.2)."""
    return names_to_sign(mail) + ["dkim-signature"] * sum(field.key == b"dkim-signature" for field in mail.fields)


def _field(octets: bytes) -> SignedField:
    return SignedField(octets.partition(b":")[0].lower(), octets.removesuffix(b"\r\n"))


def _sorted(tags: dict[str, str]) -> dict[str, str]:
    return dict(sorted(tags.items()))


def _sealed(fields: Sequence[SignedField], tags: dict[str, str], key: SigningKey) -> bytes:
    blank = write_field("ARC-Seal", tags | {"b": base64.b64encode(bytes(key.signature_size())).decode("ascii")})
    name, colon, value = blank.removesuffix(b"\r\n").partition(b":")
    own = SignedField(b"arc-seal", name + colon + emptied(value, b"b"))
    hashed = hashlib.sha256(b"".join([field.canonical(RELAXED) for field in fields]))
    hashed.update(own.canonical(RELAXED).removesuffix(b"\r\n"))
    return write_field("ARC-Seal", tags | {"b": base64.b64encode(key.sign_digest(hashed.digest())).decode("ascii")})
