"""What the signatures of a mail claim, worked out without any key: all that touches the mail itself.

It is done where hostile mail is read, in a worker process; what comes back are values. With them and the keys from the
DNS `dkim.verify` and `arc.validate` come to results. A claim that needs no key to be refused has its result already.

Promises: never raises; linear: the body is read once for each of the two canonical forms, and each field once for each
of at most ten signatures.

Source: RFC 6376 §6.1; RFC 8617 §5.2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from maild.authentication.canonical import Mail, read_mail
from maild.authentication.chain import Chain, read_chain
from maild.authentication.signatures import Bodies, Claim, read_signature
from maild.mail.header import LIMITS

SIGNATURES = 10
_NAME = b"dkim-signature"
_NAMED = re.compile(rb"(?:\A|[\r\n])dkim-signature[ \t]*:", re.IGNORECASE)
_SEALED = re.compile(rb"(?:\A|[\r\n])arc-(?:seal|message-signature)[ \t]*:", re.IGNORECASE)


class Claims(NamedTuple):
    """All of it, for one mail: signatures with the topmost first."""

    signatures: tuple[Claim, ...] = ()
    chain: Chain = Chain()


def read_claims(content: bytes, mail: Mail | None = None) -> Claims:
    """Read the signatures and the chain of ARC of a mail as it was received; `mail` is what `read_mail` said of it."""
    mail = mail or read_mail(content)
    if mail.flaw:
        return _refused(content, mail.flaw)
    bodies = Bodies(content, mail.body_start)
    return Claims(_signatures(mail, bodies), read_chain(mail, bodies))


def _signatures(mail: Mail, bodies: Bodies) -> tuple[Claim, ...]:
    places = [place for place, field in enumerate(mail.fields) if field.key == _NAME]
    claims = [read_signature(mail, place, bodies) for place in places[:SIGNATURES]]
    left_out = len(places) - SIGNATURES
    if left_out > 0:
        claims.append(Claim(result="policy", reason=f"{left_out} more signatures were not looked at"))
    return tuple(claims)


def _refused(content: bytes, flaw: str) -> Claims:
    """Return what is left of the claims where no field can be relied on: that there are some."""
    window = content[: LIMITS.header_bytes]
    signatures = (Claim(result="policy", reason=flaw),) if _NAMED.search(window) else ()
    return Claims(signatures, Chain(result="fail", reason=flaw) if _SEALED.search(window) else Chain())
